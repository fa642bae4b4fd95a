"""Reconciles each acknowledged order with what is stored and counted."""
