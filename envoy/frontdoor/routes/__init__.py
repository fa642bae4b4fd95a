"""The routes of the front listener: gRPC methods, REST paths, pages, and what a route does with a request."""
