"""Actions: what a rule does when it matches, one concept a file; all of them in `table.py`."""
