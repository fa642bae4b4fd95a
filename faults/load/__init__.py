"""The load during a fault, and the journal of what its clients were told."""
