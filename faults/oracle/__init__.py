"""Judges a platform by the clients' journal, plain SQL and the log; it shares no code with Reconcile."""
