"""Matching by nomination: many values and many patterns at once, before any rule is asked."""
