"""Operators: what a rule tests a value with; one file each, all in `table.py`."""
