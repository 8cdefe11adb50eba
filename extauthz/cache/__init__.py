"""Decisions that are given again, where all that they were made of is the same."""
