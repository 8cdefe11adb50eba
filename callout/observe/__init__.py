"""Metrics, logs, decisions, health, the admin port."""
