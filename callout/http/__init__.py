"""What every face must read the same way of an HTTP request: the canonical path, headers."""
