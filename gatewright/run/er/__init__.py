"""In the place of envoyproxy/ratelimit: its environment, ports and statistics."""
