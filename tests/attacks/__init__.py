"""Attacks on the listener of a real server, beside clients that behave well."""
