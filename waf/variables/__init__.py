"""Variables: what rules can look at, one concept a file; all of them in `table.py`."""
