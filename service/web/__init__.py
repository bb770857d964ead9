"""Web pages and their delivery."""
