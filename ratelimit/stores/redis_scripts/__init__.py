"""Algorithms that Redis runs itself, as Lua: one step of one or several limits, undivided."""
