"""Events that cannot be counted: written to their topics, listed, shown, sent again."""
