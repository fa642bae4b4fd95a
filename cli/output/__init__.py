"""The output of the commands: consoles, formats, charts and errors."""
