"""A sans-io HTTP/2 server connection (RFC 9113): bytes in, events and bytes out."""
