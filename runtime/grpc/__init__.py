"""gRPC servers: lifecycle, TLS, the fast lane, error mapping."""
