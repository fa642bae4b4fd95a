"""How orders are written: many new ones in one commit, and changes of status."""
