"""The attacks, as programs that open a bounded number of connections and streams for a bounded time."""
