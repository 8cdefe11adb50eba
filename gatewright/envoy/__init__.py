"""Envoy beside us: its configuration, built from types, and its process."""
