"""What the gateway serves besides its own services: pages, contracts, reflection, health."""
