"""Example responses in the OpenAPI document."""
