"""A program that takes spans as OTLP over gRPC, and gives them to Zipkin, which does not know that protocol."""
