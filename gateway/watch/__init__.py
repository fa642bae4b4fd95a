"""WatchService: streams of order changes and of totals."""
