"""`gatewright up`: Envoy, the workers and a sample upstream, on embedded defaults."""
