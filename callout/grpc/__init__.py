"""gRPC over HTTP/2: message framing, status, deadlines, the method table."""
