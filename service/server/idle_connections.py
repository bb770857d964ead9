"""Timeout for slow connections: closes connections on which a request head or a rejected body does not progress."""

from __future__ import annotations

from collections.abc import Iterable

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle


class SlowConnectionReaper:
    """Closes connections that make no progress outside of a request.

    uvicorn only limits the idle time between two requests. An unfinished head, or the rest of a rejected body, would
    keep its connection open forever.
    """

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._since: dict[HttpToolsProtocol, tuple[RequestResponseCycle | None, float]] = {}

    def close_expired(self, connections: Iterable[object], now: float) -> None:
        """Close connections that have made no progress for `timeout_seconds`; call it regularly.

        Args:
            connections: all open connections.
            now: seconds of a monotonic clock.
        """
        waiting = [each for each in connections if isinstance(each, HttpToolsProtocol) and _is_stalled(each)]
        before, self._since = self._since, {}
        for connection in waiting:
            last_cycle, since = before.get(connection, (None, now))
            if last_cycle is not connection.cycle:
                since = now  # a request was completed in the meantime
            self._since[connection] = (connection.cycle, since)
            if now - since >= self._timeout_seconds and connection in before:
                connection.transport.close()


def _is_stalled(connection: HttpToolsProtocol) -> bool:
    """Return whether no request is in progress and uvicorn has no timer for the connection."""
    idle = connection.cycle is None or connection.cycle.response_complete
    return idle and connection.timeout_keep_alive_task is None
