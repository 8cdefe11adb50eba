"""Ten million decisions and a million connections, and what is left of them: `make soak`."""
