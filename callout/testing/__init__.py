"""Helpers for tests, public: a real Envoy, a real Redis, an echoing upstream, a clock."""
