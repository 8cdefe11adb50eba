"""Domains from a management server: `RateLimitConfig` over ADS, as envoyproxy/ratelimit."""
