"""Embedded broker of `duet serve`: a Redis or Valkey server on a unix socket, if no DUET_REDIS_URL is set."""
