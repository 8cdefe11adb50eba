"""Redis for callouts: one connection, one write a tick, a deadline for each request, a breaker."""
