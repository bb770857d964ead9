"""Who is champion: put a version forward, go back, and read how it came to be.

The gate is described in `core.gate`; a promotion or rollback is served by the process that answers when it answers,
and by all others as soon as they have looked at the alias file again.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query
from starlette.requests import Request

from core.gate.report import GateReport
from core.promotion_answers import (
    ASKED,
    EvaluationPage,
    GatedMove,
    Move,
    PromoteRequest,
    PromotionPage,
    RollbackRequest,
)
from service.api.bodies import success
from service.api.dependencies import CatalogueDep
from service.api.models import ModelName, VersionNumber
from service.api.promotion_examples import (
    EVALUATIONS_EXAMPLE,
    GATE_EXAMPLE,
    PROMOTE_EXAMPLE,
    PROMOTIONS_EXAMPLE,
    ROLLBACK_EXAMPLE,
)
from service.errors import (
    DeadlineExceededError,
    GateRefusedError,
    InternalServiceError,
    InvalidParametersError,
    NothingToRollBackToError,
    NotReadyError,
    ProblemError,
    UnknownModelError,
    UnknownModelVersionError,
    VersionRefusedError,
    responses,
)
from service.evaluation_lists import evaluations_of
from service.promotions import Promotions
from service.security.dependencies import CALLER_ERRORS, AdminCaller

router = APIRouter(prefix="/models", tags=["promotion"])
_COMMON: tuple[type[ProblemError], ...] = (
    UnknownModelError,
    InvalidParametersError,
    InternalServiceError,
    NotReadyError,
)
_OF_VERSION: tuple[type[ProblemError], ...] = (*_COMMON, UnknownModelVersionError, VersionRefusedError)


async def _promotions(request: Request) -> Promotions:
    promotions: Promotions = request.state.promotions
    return promotions


PromotionsDep = Annotated[Promotions, Depends(_promotions)]
Limit = Annotated[int, Query(ge=1, le=200, description="most entries on a page")]


@router.post(
    "/{model}/versions/{version}/promote",
    responses={
        **success(PROMOTE_EXAMPLE, "The version is champion; `served` says whether it answers already"),
        **responses(*_OF_VERSION, GateRefusedError, *CALLER_ERRORS),
    },
)
async def promote_version(
    model: ModelName,
    version: VersionNumber,
    promotions: PromotionsDep,
    caller: AdminCaller,
    body: Annotated[PromoteRequest | None, Body()] = None,
) -> GatedMove:
    """Make a version the champion of its model, if it passes the gate against the present one.

    It passes if it is significantly more accurate on the holdout, or cheaper and not inferior, and if no class became
    significantly worse, nor the calibration, nor the cost by more than is allowed. Otherwise the answer is 409 with
    the whole report, unless `force` is sent with a reason. The version is loaded and warm before it takes over;
    requests in flight finish on the one that answered before.
    """
    body = body or PromoteRequest()
    return await promotions.promote(model, version, actor=caller.actor, reason=body.reason or ASKED, force=body.force)


@router.get(
    "/{model}/versions/{version}/gate",
    responses={
        **success(GATE_EXAMPLE, "What the gate says; `passed` is the decision"),
        **responses(*_OF_VERSION, DeadlineExceededError),
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
        **responses(*_COMMON, NothingToRollBackToError, *CALLER_ERRORS),
    },
)
async def roll_back(
    model: ModelName,
    promotions: PromotionsDep,
    caller: AdminCaller,
    body: Annotated[RollbackRequest | None, Body()] = None,
) -> Move:
    """Return to the champion before the present one, one step further back each time; no gate is asked."""
    reason = body.reason if body else None
    return await promotions.rollback(model, actor=caller.actor, reason=reason or ASKED)


@router.get(
    "/{model}/promotions",
    responses={
        **success(PROMOTIONS_EXAMPLE, "Who promoted or rolled back what, when, why and on what evidence"),
        **responses(*_COMMON),
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
        **responses(*_OF_VERSION),
    },
)
def list_evaluations(
    request: Request,
    model: ModelName,
    version: VersionNumber,
    catalogue: CatalogueDep,
    limit: Limit = 20,
    cursor: Annotated[str | None, Query(max_length=100, description="`next_cursor` of the page before")] = None,
) -> EvaluationPage:
    """List everything that was measured of a version; the version itself never changes."""
    manifest = catalogue.manifest(model, version)
    return evaluations_of(catalogue.repository, request.state.settings.home, manifest, limit=limit, cursor=cursor)
