"""What a user would pick instead: small, fair services that do the same work with other tools."""
