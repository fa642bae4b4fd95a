"""gRPC as every process serves it: servers, the fast lane, error statuses, tokens."""
