"""What an order is, its events and ids. Pure: no I/O."""
