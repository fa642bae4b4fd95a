"""Commands that repair what a fault left: replay, repair and rebuild."""
