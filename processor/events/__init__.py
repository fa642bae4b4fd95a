"""What an event is: its bytes decoded, a batch of them, and the positions of partitions. Pure."""
