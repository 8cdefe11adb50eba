"""Faults while requests come: each has a bound, and none lets a request pass wrongly."""
