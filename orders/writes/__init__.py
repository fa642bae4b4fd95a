"""Writes of orders: group commit of new orders, and status transitions."""
