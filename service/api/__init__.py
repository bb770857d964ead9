"""HTTP API: routes, their queries, responses and examples. Routes translate between HTTP and the engine."""
