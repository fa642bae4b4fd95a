"""The life of one order, from both databases."""
