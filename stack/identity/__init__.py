"""Who may call the stack: API keys, and the credentials of the stack's own commands."""
