"""A simulated PostgreSQL: transactions, connections, and what the queries of the programs do."""
