"""Promotion routes: promotion, gate preview, rollback, audit trail and evaluations.

The gate is in `core.gate`. The process that handles a promotion serves the new champion at once; other processes switch
when they next read the alias file.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel
from starlette.requests import Request

from core.errors import NothingToRollBackError
from core.gate.report import GateReport
from core.schemas.models import (
    DEFAULT_REASON,
    EvaluationPage,
    GatedMove,
    Move,
    PromoteRequest,
    PromotionPage,
    RollbackRequest,
)
from service.api.common.job_submission import JsonBody, json_body, read_body
from service.api.common.openapi_bodies import success
from service.api.common.openapi_errors import MODEL_ERRORS, VERSION_ERRORS
from service.api.deps import CatalogDep
from service.api.examples import load_example
from service.api.routes.models import ModelName, VersionNumber
from service.errors import (
    BodyTimeoutError,
    BodyTooLargeError,
    DeadlineExceededError,
    GateRefusedError,
    MalformedBodyError,
    ProblemError,
    responses,
)
from service.models.evaluations import evaluations_of
from service.models.promotions import Promotions
from service.security.dependencies import CALLER_ERRORS, AdminCaller
from service.state import state_of

router = APIRouter(prefix="/models", tags=["promotion"])
_MOVING: tuple[type[ProblemError], ...] = (*CALLER_ERRORS, MalformedBodyError, BodyTimeoutError, BodyTooLargeError)


def _optional_body(model: type[BaseModel], example: Any) -> dict[str, Any]:
    """OpenAPI `requestBody` of a route with an optional JSON body `model`."""
    extra = json_body(model, example)
    extra["requestBody"]["required"] = False
    return extra


async def _promotions(request: Request) -> Promotions:
    return state_of(request)["promotions"]


PromotionsDep = Annotated[Promotions, Depends(_promotions)]
Limit = Annotated[int, Query(ge=1, le=200, description="maximum number of entries on a page")]


@router.post(
    "/{model}/versions/{version}/promote",
    responses={
        **success(load_example("promote"), "The version is champion; `served`: whether it is served already"),
        **responses(*VERSION_ERRORS, GateRefusedError, *_MOVING),
    },
    openapi_extra=_optional_body(PromoteRequest, load_example("promote_request")),
)
async def promote_version(
    model: ModelName,
    version: VersionNumber,
    promotions: PromotionsDep,
    caller: AdminCaller,
    body: JsonBody,
) -> GatedMove:
    """Make a version the champion of its model if it passes the gate against the current champion.

    It passes if it is significantly more accurate on the holdout, or cheaper and not inferior, and if no class is
    significantly worse and calibration, accuracy on corrupted images and cost are within their limits. Otherwise the
    response is 409 with the report, unless `force` is set with a reason. The version is loaded and warm before it
    replaces the champion; requests in flight finish on the old one.
    """
    sent = read_body(PromoteRequest, body) if body else PromoteRequest()
    return await promotions.promote(
        model, version, actor=caller.actor, reason=sent.reason or DEFAULT_REASON, force=sent.force
    )


@router.get(
    "/{model}/versions/{version}/gate",
    responses={
        **success(load_example("gate"), "Report of the gate; `passed` is the decision"),
        **responses(*VERSION_ERRORS, DeadlineExceededError),
    },
)
async def preview_gate(
    request: Request, model: ModelName, version: VersionNumber, promotions: PromotionsDep
) -> GateReport:
    """Run the gate for a version without changing the champion."""
    return await promotions.preview(model, version, deadline=state_of(request)["context"].deadline)


@router.post(
    "/{model}/rollback",
    responses={
        **success(load_example("rollback"), "An earlier version is champion; `served`: whether it is served already"),
        **responses(*MODEL_ERRORS, NothingToRollBackError, *_MOVING),
    },
    openapi_extra=_optional_body(RollbackRequest, load_example("rollback_request")),
)
async def roll_back(
    model: ModelName,
    promotions: PromotionsDep,
    caller: AdminCaller,
    body: JsonBody,
) -> Move:
    """Return to the previous champion without the gate; repeated calls go further back."""
    sent = read_body(RollbackRequest, body) if body else RollbackRequest()
    return await promotions.rollback(model, actor=caller.actor, reason=sent.reason or DEFAULT_REASON)


@router.get(
    "/{model}/promotions",
    responses={
        **success(load_example("promotions"), "Promotions and rollbacks with actor, time, reason and evidence"),
        **responses(*MODEL_ERRORS),
    },
)
def list_promotions(
    model: ModelName,
    promotions: PromotionsDep,
    limit: Limit = 50,
    cursor: Annotated[int | None, Query(ge=1, description="`next_cursor` of the previous page")] = None,
) -> PromotionPage:
    """List the promotions and rollbacks of a model, newest first."""
    return promotions.page(model, limit=limit, cursor=cursor)


@router.get(
    "/{model}/versions/{version}/evaluations",
    responses={
        **success(load_example("evaluations"), "The evaluation from publishing, then those of jobs, newest first"),
        **responses(*VERSION_ERRORS),
    },
)
def list_evaluations(
    request: Request,
    model: ModelName,
    version: VersionNumber,
    catalog: CatalogDep,
    limit: Limit = 20,
    cursor: Annotated[str | None, Query(max_length=100, description="`next_cursor` of the previous page")] = None,
) -> EvaluationPage:
    """List the evaluations of a version."""
    manifest = catalog.manifest(model, version)
    return evaluations_of(catalog.repository, state_of(request)["settings"].home, manifest, limit=limit, cursor=cursor)
