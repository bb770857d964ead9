"""Who is champion: put a version forward, go back, and read how it came to be.

The gate is described in `core.gate`; a promotion or rollback is served by the process that answers when it answers,
and by all others as soon as they have looked at the alias file again.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel
from starlette.requests import Request

from core.errors import NothingToRollBackError
from core.gate.report import GateReport
from core.schemas.promotions import (
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
from service.api.examples.promotions import (
    EVALUATIONS_EXAMPLE,
    GATE_EXAMPLE,
    PROMOTE_EXAMPLE,
    PROMOTE_REQUEST,
    PROMOTIONS_EXAMPLE,
    ROLLBACK_EXAMPLE,
    ROLLBACK_REQUEST,
)
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

router = APIRouter(prefix="/models", tags=["promotion"])
_MOVING: tuple[type[ProblemError], ...] = (*CALLER_ERRORS, MalformedBodyError, BodyTimeoutError, BodyTooLargeError)


def _optional_body(model: type[BaseModel], example: Any) -> dict[str, Any]:
    """OpenAPI additions of a route whose body is `model` as JSON, or nothing."""
    extra = json_body(model, example)
    extra["requestBody"]["required"] = False
    return extra


async def _promotions(request: Request) -> Promotions:
    promotions: Promotions = request.state.promotions
    return promotions


PromotionsDep = Annotated[Promotions, Depends(_promotions)]
Limit = Annotated[int, Query(ge=1, le=200, description="most entries on a page")]


@router.post(
    "/{model}/versions/{version}/promote",
    responses={
        **success(PROMOTE_EXAMPLE, "The version is champion; `served` says whether it answers already"),
        **responses(*VERSION_ERRORS, GateRefusedError, *_MOVING),
    },
    openapi_extra=_optional_body(PromoteRequest, PROMOTE_REQUEST),
)
async def promote_version(
    model: ModelName,
    version: VersionNumber,
    promotions: PromotionsDep,
    caller: AdminCaller,
    body: JsonBody,
) -> GatedMove:
    """Make a version the champion of its model, if it passes the gate against the present one.

    It passes if it is significantly more accurate on the holdout, or cheaper and not inferior, and if no class became
    significantly worse, nor the calibration, the answers to corrupted images or the cost by more than is allowed.
    Otherwise the answer is 409 with the whole report, unless `force` is sent with a reason. The version is loaded and
    warm before it takes over; requests in flight finish on the one that answered before.
    """
    asked = read_body(PromoteRequest, body) if body else PromoteRequest()
    return await promotions.promote(
        model, version, actor=caller.actor, reason=asked.reason or DEFAULT_REASON, force=asked.force
    )


@router.get(
    "/{model}/versions/{version}/gate",
    responses={
        **success(GATE_EXAMPLE, "What the gate says; `passed` is the decision"),
        **responses(*VERSION_ERRORS, DeadlineExceededError),
    },
)
async def preview_gate(
    request: Request, model: ModelName, version: VersionNumber, promotions: PromotionsDep
) -> GateReport:
    """Say whether a version would pass the gate now, and why; changes nothing."""
    return await promotions.preview(model, version, deadline=request.state.context.deadline)


@router.post(
    "/{model}/rollback",
    responses={
        **success(ROLLBACK_EXAMPLE, "An earlier version is champion; `served` says whether it answers already"),
        **responses(*MODEL_ERRORS, NothingToRollBackError, *_MOVING),
    },
    openapi_extra=_optional_body(RollbackRequest, ROLLBACK_REQUEST),
)
async def roll_back(
    model: ModelName,
    promotions: PromotionsDep,
    caller: AdminCaller,
    body: JsonBody,
) -> Move:
    """Return to the champion before the present one, one step further back each time; no gate is asked."""
    asked = read_body(RollbackRequest, body) if body else RollbackRequest()
    return await promotions.rollback(model, actor=caller.actor, reason=asked.reason or DEFAULT_REASON)


@router.get(
    "/{model}/promotions",
    responses={
        **success(PROMOTIONS_EXAMPLE, "Who promoted or rolled back what, when, why and on what evidence"),
        **responses(*MODEL_ERRORS),
    },
)
def list_promotions(
    model: ModelName,
    promotions: PromotionsDep,
    limit: Limit = 50,
    cursor: Annotated[int | None, Query(ge=1, description="`next_cursor` of the page before")] = None,
) -> PromotionPage:
    """List the promotions and rollbacks of a model, newest first."""
    return promotions.page(model, limit=limit, cursor=cursor)


@router.get(
    "/{model}/versions/{version}/evaluations",
    responses={
        **success(EVALUATIONS_EXAMPLE, "The evaluation it was published with, then those of jobs, newest first"),
        **responses(*VERSION_ERRORS),
    },
)
def list_evaluations(
    request: Request,
    model: ModelName,
    version: VersionNumber,
    catalog: CatalogDep,
    limit: Limit = 20,
    cursor: Annotated[str | None, Query(max_length=100, description="`next_cursor` of the page before")] = None,
) -> EvaluationPage:
    """List everything that was measured of a version; the version itself never changes."""
    manifest = catalog.manifest(model, version)
    return evaluations_of(catalog.repository, request.state.settings.home, manifest, limit=limit, cursor=cursor)
