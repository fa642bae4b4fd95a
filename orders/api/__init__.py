"""The gRPC services: handlers, validation, admission, idempotent writes, messages, pages of lists."""
