"""What the client asks of the service itself: whether it lives, what it serves, what it counts."""

from __future__ import annotations

from core.schemas.api import Liveness, Readiness
from duet.client.connection import Methods, parsed
from duet.client.errors import AnswerError, NotReadyError, UnexpectedResponseError, UnreachableError


class ServerMethods(Methods):
    """Of `Client`."""

    def readiness(self) -> Readiness:
        """What each model serves; raises `NotReadyError`, without retrying, where the service is not ready."""
        return parsed(self._connection.sent_once("GET", "/readyz"), Readiness)

    def ready(self) -> bool:
        """Whether the service answers and has loaded its champions."""
        try:
            self.readiness()
        except (NotReadyError, UnreachableError, UnexpectedResponseError):
            return False
        return True

    def live(self) -> bool:
        """Whether the service answers at all."""
        try:
            parsed(self._connection.sent_once("GET", "/livez"), Liveness)
        except (AnswerError, UnreachableError, UnexpectedResponseError):
            return False
        return True

    def metrics(self) -> str:
        """What Prometheus would scrape, in its text format."""
        return self._connection.request("GET", "/metrics").text
