"""The load generator: open-model arrivals of orders, and the check that each acknowledged one is counted once."""
