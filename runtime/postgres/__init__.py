"""PostgreSQL: connections, transactions, SQLSTATEs, partitions and named queries."""
