"""Commands about the stack on this machine."""
