"""API schemas of recipes and jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field, JsonValue

from core.jobs.parameters import JobKind
from core.jobs.records import JobRecord
from core.recipes import RecipeConfig
from core.schemas.api import ResponseModel


class Recipe(ResponseModel):
    """A named full configuration."""

    name: str
    description: str
    family: str = Field(description="default family of its versions")
    config: RecipeConfig = Field(description="all settings; `overrides` of POST /train changes them")


class RecipeList(ResponseModel):
    """Response of GET /recipes; the two schemas are made for forms."""

    recipes: tuple[Recipe, ...]
    config_schema: dict[str, Any] = Field(description="JSON schema of every `config`")
    parameters_schema: dict[str, Any] = Field(description="JSON schema of the body of POST /train")


class JobLinks(ResponseModel):
    """URLs of a job."""

    job: str
    events: str = Field(description="server-sent events, from the first one")
    log: str = Field(description="output of the job's process")
    cancel: str | None = Field(description="POST here to cancel the job; null after its end")
    retry: str | None = Field(description="POST here to retry the job; null unless it failed or was cancelled")
    result: str | None = Field(
        None, description="GET a table of predictions here, DELETE all; null unless a batch prediction has succeeded"
    )


class JobAnswer(JobRecord):
    """A job with its links."""

    links: JobLinks


class JobList(ResponseModel):
    """Response of GET /jobs."""

    jobs: tuple[JobAnswer, ...] = Field(description="newest first")
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last page")


class JobAccepted(ResponseModel):
    """Response of POST /train, /evaluate and /batch; the same for each request with one Idempotency-Key."""

    id: str
    kind: JobKind
    parameters: dict[str, JsonValue] = Field(description="as given, with the defaults filled in")
    created_at: datetime
    links: JobLinks
