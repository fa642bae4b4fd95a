"""What the front door answers itself: pages, contracts, reflection, health."""
