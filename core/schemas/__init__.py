"""API schemas: the pydantic models of every response, shared by the service and the client."""
