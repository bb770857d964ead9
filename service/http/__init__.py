"""HTTP layer below the routes: fast routes, middleware, request bodies, exception handlers and OpenAPI."""
