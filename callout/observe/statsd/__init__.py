"""Counters for statsd and dogstatsd, over UDP."""
