"""What every callout needs: gRPC server, configuration, metrics, health, TLS, Redis.

Knows nothing of tokens, limits, attacks or secrets: those live one storey up.
"""
