"""Counters in memory that the workers of one machine have in common.

Each worker maps the same memory and changes it by itself, under record locks of the kernel. Against
a process that owns the counters and is asked over a socket this costs half the processor time, and
no waiting (`python -m tests.reliability.shared_counters` measures both); and there is no process
whose end would take the counters along, or whose queue would be a queue of all workers.
"""
