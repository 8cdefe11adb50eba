"""Rate limiting: answers ``envoy.service.ratelimit.v3.RateLimitService``."""
