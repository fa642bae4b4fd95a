"""PostgreSQL as every process uses it: connections, transactions, SQLSTATEs, partitions, named queries."""
