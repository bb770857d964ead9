"""The client's side of a request that is being answered: still there, or gone."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import Receive

from service.errors import ClientGoneError


class DisconnectWatcher:
    """Fails the futures of a request whose client hangs up; its body has been read.

    Watching takes a task, which would cost a quick request more than it saves, so it begins when the batcher calls
    `watch` for a request that has waited for a while.
    """

    __slots__ = ("_futures", "_receive", "_watcher")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._futures: list[asyncio.Future[Any]] = []
        self._watcher: asyncio.Task[None] | None = None

    def add(self, future: asyncio.Future[Any]) -> None:
        """Fail this future with ClientGoneError when the client hangs up."""
        self._futures.append(future)

    def watch(self) -> None:
        """Begin to watch; more than one call is one."""
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._wait())

    def close(self) -> None:
        """The answer is ready: watch no longer.

        Futures are let go: one that has failed holds the frames of the route, which hold this, and the body.
        """
        self._futures.clear()
        if self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None

    async def _wait(self) -> None:
        try:
            while (await self._receive())["type"] != "http.disconnect":
                pass
        except asyncio.CancelledError:
            return  # by `close`; raised further, the task would keep its own frames, and the body, in a cycle
        for future in self._futures:
            if not future.done():
                future.set_exception(ClientGoneError("the client closed the connection before its answer was ready"))
