"""External authorization: answers ``envoy.service.auth.v3.Authorization``."""
