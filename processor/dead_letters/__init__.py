"""Dead letters: rejected records, written to their own topics, listed, shown, and redriven."""
