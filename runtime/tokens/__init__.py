"""Signed tokens that clients return unchanged: pages of lists, and revisions of streams."""
