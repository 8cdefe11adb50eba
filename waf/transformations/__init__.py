"""Transformations: what is made of a value before it is tested; one file each, in `table.py`."""
