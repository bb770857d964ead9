"""Knows, before a request is looked at, that it would find no place."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from core.repository.manifest import Precision
from service.engine.engine import Engine
from service.engine.queue import ModelQueue
from service.errors import ProblemError, QueueFullError

PREDICT = b"/predict"


class ModelQuery(Protocol):
    """What the query string of /predict says of the model."""

    @property
    def model(self) -> str:
        """The model's name."""
        ...

    @property
    def version(self) -> int | None:
        """None for the champion."""
        ...

    @property
    def precision(self) -> Precision | None:
        """None for the one that the service prefers."""
        ...


class AdmissionControl:
    """Counts who goes in; used from one event loop."""

    def __init__(self, engine: Engine, parse: Callable[[bytes], ModelQuery]) -> None:
        """`parse` reads the query string of /predict."""
        self._engine = engine
        self._parse = parse
        self._admitted: Counter[ModelQueue] = Counter()

    def rejection(self, url: bytes) -> QueueFullError | None:
        """Why a request for this URL cannot be taken; None where it can, or where that takes a closer look."""
        path, _, query_string = url.partition(b"?")
        if path != PREDICT:
            return None
        try:
            query = self._parse(query_string)
            served = self._engine.models.champion(query.model, query.precision) if query.version is None else None
            if served is None:
                return None
            # Many heads are read before the first of these requests gets to its queue.
            self._engine.check_capacity(served, self._admitted[served.queue] + 1)
        except QueueFullError as full:
            return full.with_traceback(None)
        except ProblemError:
            return None
        if not self._admitted:
            asyncio.get_running_loop().call_soon(self._admitted.clear)
        self._admitted[served.queue] += 1
        return None
