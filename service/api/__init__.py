"""The routes. Each takes care of what is HTTP about a request and leaves the rest to the engine."""
