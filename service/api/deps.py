"""What routes ask for, as types."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from service.engine.engine import Engine
from service.errors import JobsNotConfiguredError
from service.http.lifecycle import Lifecycle
from service.jobs.service import JobService
from service.models.catalog import ModelCatalog
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


async def _catalog(request: Request) -> ModelCatalog:
    return ModelCatalog(request.state.repository, request.state.engine.models.refusal)


async def _job_service(request: Request) -> JobService:
    job_service: JobService | None = request.state.jobs
    if job_service is None:
        raise JobsNotConfiguredError
    return job_service


EngineDep = Annotated[Engine, Depends(_engine)]
MetricsDep = Annotated[Metrics, Depends(_metrics)]
LifecycleDep = Annotated[Lifecycle, Depends(_lifecycle)]
CatalogDep = Annotated[ModelCatalog, Depends(_catalog)]
JobServiceDep = Annotated[JobService, Depends(_job_service)]
