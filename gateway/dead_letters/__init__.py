"""The desk of dead letters: those of the outbox and those of the processor, as one list."""
