"""What the front door itself says: status, reconciliation, reflection, health and pages."""
