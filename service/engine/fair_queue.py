"""Fair queue of the decoder: clients are served in turn; the number of calls and their pixels are limited."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from service.errors import QueueFullError, TooManyPixelsWaitingError, TooManyRequestsError


class DecoderCall:
    """A call that waits for a thread.

    Attributes:
        run: blocking function.
        caller: see `DisconnectSource` in service/engine/queue.py.
        pixels: number of pixels of the image to decode; 0 for other calls.
        result: completed early if the request has failed.
    """

    __slots__ = ("caller", "pixels", "result", "run")

    def __init__(self, run: Callable[[], Any], caller: str, pixels: int, result: asyncio.Future[Any]) -> None:
        self.run = run
        self.caller = caller
        self.pixels = pixels
        self.result = result


class FairQueue:
    """Waiting and running calls of one process. Each client in turn gets one call started.

    If a limit is reached, the newest waiting call of the client with the largest share is rejected. If that is the
    client of the new call, the new call is rejected.
    """

    def __init__(self, *, max_calls: int, max_pixels: int, seconds_for: Callable[[int], float]) -> None:
        """Create an empty queue.

        Args:
            max_calls: maximum number of calls, including running ones.
            max_pixels: maximum number of pixels of all calls; a single call may have more.
            seconds_for: function that returns the expected time to complete a number of calls.
        """
        self._max_calls = max_calls
        self._max_pixels = max_pixels
        self._seconds_for = seconds_for
        self._admitted: set[DecoderCall] = set()
        self._waiting: dict[str, deque[DecoderCall]] = {}
        """Waiting calls by client. The first client is served next, and then moves to the end."""

    def put(self, call: DecoderCall) -> None:
        """Queue a call; the caller removes it at the end.

        Raises:
            QueueFullError: there are too many calls.
            TooManyPixelsWaitingError: the calls have too many pixels.
        """
        while len(self._admitted) >= self._max_calls:
            self._displace(call, lambda _: 1, self._queue_full())
        while self._admitted and self._pixels() + call.pixels > self._max_pixels:
            self._displace(call, lambda each: each.pixels, self._too_many_pixels())
        self._admitted.add(call)
        self._waiting.setdefault(call.caller, deque()).append(call)

    def take(self) -> DecoderCall | None:
        """Return the next waiting call, with clients in turn; None if none waits."""
        if not self._waiting:
            return None
        caller = next(iter(self._waiting))
        calls = self._waiting.pop(caller)
        call = calls.popleft()
        if calls:
            self._waiting[caller] = calls
        return call

    def remove(self, call: DecoderCall) -> None:
        """Remove a completed or failed call; no effect if it was removed before."""
        self._admitted.discard(call)
        calls = self._waiting.get(call.caller, ())
        if call in calls:
            self._waiting[call.caller].remove(call)
            if not calls:
                del self._waiting[call.caller]

    def _pixels(self) -> int:
        return sum(call.pixels for call in self._admitted)

    def _displace(self, new: DecoderCall, cost: Callable[[DecoderCall], int], error: TooManyRequestsError) -> None:
        """Reject the newest call of the client with the largest waiting cost, or `new` if its client has as much."""

        def waiting_cost(calls: deque[DecoderCall]) -> int:
            return sum(map(cost, calls))

        largest = max(self._waiting.values(), key=waiting_cost, default=deque[DecoderCall]())
        if waiting_cost(largest) <= waiting_cost(self._waiting.get(new.caller, deque())) + cost(new):
            raise error
        rejected = largest[-1]
        self.remove(rejected)
        if not rejected.result.done():
            rejected.result.set_exception(error)

    def _queue_full(self) -> QueueFullError:
        return QueueFullError("decoding", len(self._admitted), self._seconds_for(len(self._admitted)))

    def _too_many_pixels(self) -> TooManyPixelsWaitingError:
        return TooManyPixelsWaitingError(self._pixels(), self._max_pixels, self._seconds_for(len(self._admitted)))
