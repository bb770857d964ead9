"""Authentication and authorization: API keys with scopes, session cookies, Host and Origin checks."""
