"""Orders, their events, ids, fingerprints and transitions, and the clock. No I/O."""
