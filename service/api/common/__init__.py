"""Query parameters, bodies and OpenAPI fragments that several routes share."""
