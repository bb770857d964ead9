"""Logging, metrics and the request context."""
