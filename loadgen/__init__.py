"""The load generator: an open model of order arrivals, and the proof that each acknowledged one is counted once."""
