"""The product: command line, all-in-one runner, bundle and Envoy configuration."""

__version__ = "0.1.0"
