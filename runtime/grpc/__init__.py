"""gRPC servers: lifecycle, the fast lane, error mapping, page tokens."""
