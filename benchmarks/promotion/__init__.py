"""Promotion benchmark: requests that run while a champion changes."""
