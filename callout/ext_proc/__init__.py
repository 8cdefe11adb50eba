"""Envoy's external processing: one stream an HTTP exchange, driven through a list of filters."""
