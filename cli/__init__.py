"""The only package that may import all others: the `ordermesh` command."""
