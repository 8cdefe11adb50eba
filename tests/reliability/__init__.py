"""Long measurements of what the server survives; each module is run by a `make` target."""
