"""What is in a body: one file a format, each from bytes to a frozen value.

Whatever a client sends has a value: nothing here raises for it. What is odd is not smoothed over
but named (`oddities.py`), because what two readers read differently is how attacks get past one of
them (WAFFLED, arXiv 2503.10846: 1,207 ways past five firewalls). All of it is linear in the body.
"""
