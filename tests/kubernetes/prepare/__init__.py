"""Puts into a cache outside the checkout what a test cluster is made of."""
