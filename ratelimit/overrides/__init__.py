"""Rates of single values: premium customers, trials, an office's network."""
