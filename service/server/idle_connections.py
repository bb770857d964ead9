"""Connections whose clients keep the service waiting before or after a request, where no route watches the clock."""

from __future__ import annotations

from collections.abc import Iterable

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle


class SlowConnectionReaper:
    """Closes connections on which nothing gets on.

    uvicorn bounds only the time between two requests: a head that never ends, or the rest of a body that was refused
    early, would hold its connection for ever.
    """

    def __init__(self, timeout_seconds: float) -> None:
        self._patience_seconds = timeout_seconds
        self._since: dict[HttpToolsProtocol, tuple[RequestResponseCycle | None, float]] = {}

    def close_expired(self, connections: Iterable[object], now: float) -> None:
        """Close what has been waited for since a call that lies `patience_seconds` back; to be called regularly.

        Args:
            connections: all that are open.
            now: on any monotonic clock, in seconds.
        """
        waiting = [each for each in connections if isinstance(each, HttpToolsProtocol) and _is_waited_for(each)]
        before, self._since = self._since, {}
        for connection in waiting:
            last_request, since = before.get(connection, (None, now))
            if last_request is not connection.cycle:
                since = now  # it has had an answer in the meantime
            self._since[connection] = (connection.cycle, since)
            if now - since >= self._patience_seconds and connection in before:
                connection.transport.close()


def _is_waited_for(connection: HttpToolsProtocol) -> bool:
    """No request is being answered, and uvicorn does not count the time either."""
    at_rest = connection.cycle is None or connection.cycle.response_complete
    return at_rest and connection.timeout_keep_alive_task is None
