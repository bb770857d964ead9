"""Server methods of the client: liveness, readiness and metrics."""

from __future__ import annotations

from core.schemas.api import Liveness, Readiness
from duet.client.connection import Methods, parsed
from duet.client.errors import AnswerError, NotReadyError, UnexpectedResponseError, UnreachableError


class ServerMethods(Methods):
    """Server methods of `Client`."""

    def readiness(self) -> Readiness:
        """Return the served version of each model; raises `NotReadyError`, without retries, if not ready."""
        return parsed(self._connection.sent_once("GET", "/readyz"), Readiness)

    def ready(self) -> bool:
        """Return whether the service responds and has loaded its champions."""
        try:
            self.readiness()
        except (NotReadyError, UnreachableError, UnexpectedResponseError):
            return False
        return True

    def live(self) -> bool:
        """Return whether the service responds."""
        try:
            parsed(self._connection.sent_once("GET", "/livez"), Liveness)
        except (AnswerError, UnreachableError, UnexpectedResponseError):
            return False
        return True

    def metrics(self) -> str:
        """Return the metrics in the Prometheus text format."""
        return self._connection.request("GET", "/metrics").text
