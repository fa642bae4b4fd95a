"""Repair from the orders database: publishes events again, from the outbox or from the orders themselves."""
