"""The components of a stack: what they are, in which state, and who keeps them running."""
