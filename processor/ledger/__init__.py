"""The ledger of counted events: what a reconciliation reads of it, and its audit against the rows."""
