"""A plan becomes Python functions."""
