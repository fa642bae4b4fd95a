"""The HTTP filters of the front listener: their order, trace context, and the transcoder of REST to gRPC."""
