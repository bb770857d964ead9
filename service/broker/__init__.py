"""The broker that `duet serve` runs for itself where it is given none: a server process on a unix socket."""

from service.broker.address import embedded_url
from service.broker.embedded import EmbeddedBroker

__all__ = ["EmbeddedBroker", "embedded_url"]
