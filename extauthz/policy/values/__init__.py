"""Rego values in Python: how they live, exact numbers, their text."""
