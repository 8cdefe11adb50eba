"""Reloads under load, and what each answer was decided by: `make reload`."""
