"""The Redis client: per-tick batches, deadlines, a circuit breaker."""
