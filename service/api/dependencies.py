"""What routes ask for, as types."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request
from starlette.types import Receive

from service.catalogue import Catalogue
from service.context import RequestContext
from service.engine.engine import Engine
from service.errors import ClientGoneError
from service.metrics import Metrics
from service.settings import Settings
from service.state import Lifecycle
from service.uploads import UploadLimits


async def _engine(request: Request) -> Engine:
    engine: Engine = request.state.engine
    return engine


async def _metrics(request: Request) -> Metrics:
    metrics: Metrics = request.state.metrics
    return metrics


async def _lifecycle(request: Request) -> Lifecycle:
    lifecycle: Lifecycle = request.state.lifecycle
    return lifecycle


async def _context(request: Request) -> RequestContext:
    context: RequestContext = request.state.context
    return context


async def _limits(request: Request) -> UploadLimits:
    settings: Settings = request.state.settings
    return UploadLimits(settings.max_body_bytes, settings.max_files, settings.deadline_seconds)


async def _catalogue(request: Request) -> Catalogue:
    return Catalogue(request.state.repository, request.state.engine.models.refusal)


EngineDep = Annotated[Engine, Depends(_engine)]
MetricsDep = Annotated[Metrics, Depends(_metrics)]
LifecycleDep = Annotated[Lifecycle, Depends(_lifecycle)]
ContextDep = Annotated[RequestContext, Depends(_context)]
LimitsDep = Annotated[UploadLimits, Depends(_limits)]
CatalogueDep = Annotated[Catalogue, Depends(_catalogue)]


@asynccontextmanager
async def while_connected(receive: Receive) -> AsyncIterator[None]:
    """Run the body of this block only as long as the client holds the connection; its body has been read.

    Raises:
        ClientGoneError: the client hung up; whatever was awaited in the block has been cancelled.
    """
    task = asyncio.current_task()
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        gone = True
        if task is not None:
            task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if gone and task is not None and task.uncancel() == 0:
            raise ClientGoneError("the client closed the connection before its answer was ready") from None
        raise
    finally:
        watcher.cancel()
