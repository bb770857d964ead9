"""Embedded broker of `duet serve`: a Redis or Valkey server on a unix socket, if no DUET_REDIS_URL is set."""

from service.broker.address import embedded_url
from service.broker.embedded import EmbeddedBroker

__all__ = ["EmbeddedBroker", "embedded_url"]
