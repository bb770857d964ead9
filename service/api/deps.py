"""FastAPI dependencies of the routes."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from service.engine.engine import Engine
from service.errors import JobsNotConfiguredError
from service.http.middleware import Lifecycle
from service.jobs.service import JobService
from service.models.catalog import ModelCatalog
from service.observability.metrics import Metrics
from service.state import state_of


async def _engine(request: Request) -> Engine:
    return state_of(request)["engine"]


async def _metrics(request: Request) -> Metrics:
    return state_of(request)["metrics"]


async def _lifecycle(request: Request) -> Lifecycle:
    return state_of(request)["lifecycle"]


async def _catalog(request: Request) -> ModelCatalog:
    return ModelCatalog(state_of(request)["repository"], state_of(request)["engine"].models.refusal)


async def _job_service(request: Request) -> JobService:
    job_service = state_of(request)["jobs"]
    if job_service is None:
        raise JobsNotConfiguredError
    return job_service


EngineDep = Annotated[Engine, Depends(_engine)]
MetricsDep = Annotated[Metrics, Depends(_metrics)]
LifecycleDep = Annotated[Lifecycle, Depends(_lifecycle)]
CatalogDep = Annotated[ModelCatalog, Depends(_catalog)]
JobServiceDep = Annotated[JobService, Depends(_job_service)]
