"""Response rendering for the routes."""
