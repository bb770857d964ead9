"""HTTP below the routes: admission, request bodies, middleware, problems and fast routes."""
