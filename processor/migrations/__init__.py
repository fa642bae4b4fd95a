"""The analytics database's schema, as scripts that are applied in order."""
