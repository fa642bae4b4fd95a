"""WatchService: streams of orders and of totals."""
