"""What routes ask for, as types."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from service.engine.engine import Engine
from service.errors import JobsNotConfiguredError
from service.http.lifecycle import Lifecycle
from service.jobs.service import JobDesk
from service.models.catalogue import Catalogue
from service.observability.metrics import Metrics


async def _engine(request: Request) -> Engine:
    engine: Engine = request.state.engine
    return engine


async def _metrics(request: Request) -> Metrics:
    metrics: Metrics = request.state.metrics
    return metrics


async def _lifecycle(request: Request) -> Lifecycle:
    lifecycle: Lifecycle = request.state.lifecycle
    return lifecycle


async def _catalogue(request: Request) -> Catalogue:
    return Catalogue(request.state.repository, request.state.engine.models.refusal)


async def _job_desk(request: Request) -> JobDesk:
    desk: JobDesk | None = request.state.jobs
    if desk is None:
        raise JobsNotConfiguredError
    return desk


EngineDep = Annotated[Engine, Depends(_engine)]
MetricsDep = Annotated[Metrics, Depends(_metrics)]
LifecycleDep = Annotated[Lifecycle, Depends(_lifecycle)]
CatalogueDep = Annotated[Catalogue, Depends(_catalogue)]
JobDeskDep = Annotated[JobDesk, Depends(_job_desk)]
