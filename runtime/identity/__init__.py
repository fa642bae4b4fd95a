"""Who calls: the caller, its rights, its address, its share, and the credential of our own clients."""
