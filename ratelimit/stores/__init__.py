"""Where counters live: memory or Redis, behind one contract."""
