"""The stack's own certificate authority: certificates of the front proxy, of services and of clients."""
