"""The cost of a reconciliation for growing numbers of orders."""
