"""The command that makes the metrics anew: `ordermesh rebuild`."""
