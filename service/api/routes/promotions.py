"""Promotion routes: promotion, gate preview, rollback, audit trail and evaluations.

The gate is in `core.gate`. The process that handles a promotion serves the new champion at once; other processes switch
when they next read the alias file.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

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
from service.api.common.json_body import JsonBody, json_body, read_body
from service.api.common.openapi import BODY_ERRORS, MODEL_ERRORS, VERSION_ERRORS, success
from service.api.deps import CALLER_ERRORS, AdminCaller, CatalogDep, StateDep
from service.api.examples import load_example
from service.api.routes.models import ModelName, VersionNumber
from service.errors import DeadlineExceededError, GateRefusedError, responses
from service.models.version_files import evaluations_of

router = APIRouter(prefix="/models", tags=["promotion"])
_MOVE_ERRORS = (*CALLER_ERRORS, *BODY_ERRORS)
Limit = Annotated[int, Query(ge=1, le=200, description="maximum number of entries on a page")]


@router.post(
    "/{model}/versions/{version}/promote",
    responses={
        **success(load_example("promote"), "The version is champion; `served`: whether it is served already"),
        **responses(*VERSION_ERRORS, GateRefusedError, *_MOVE_ERRORS),
    },
    openapi_extra=json_body(PromoteRequest, load_example("promote_request"), required=False),
)
async def promote_version(
    model: ModelName,
    version: VersionNumber,
    state: StateDep,
    caller: AdminCaller,
    body: JsonBody,
) -> GatedMove:
    """Make a version the champion of its model if it passes the gate against the current champion.

    It passes if it is significantly more accurate on the holdout, or if it is cheaper or more robust and not inferior,
    and if no class is significantly worse and calibration, accuracy on corrupted images and cost are within their
    limits. The first version of a model passes if its holdout accuracy is significantly above chance and the majority
    class. Otherwise the response is 409 with the report, unless `force` is set with a reason. The version is loaded and
    warm before it replaces the champion; requests in flight finish on the old one.
    """
    sent = read_body(PromoteRequest, body) if body else PromoteRequest()
    return await state["promotions"].promote(
        model, version, actor=caller.actor, reason=sent.reason or DEFAULT_REASON, force=sent.force
    )


@router.get(
    "/{model}/versions/{version}/gate",
    responses={
        **success(load_example("gate"), "Report of the gate; `passed` is the decision"),
        **responses(*VERSION_ERRORS, DeadlineExceededError),
    },
)
async def preview_gate(model: ModelName, version: VersionNumber, state: StateDep) -> GateReport:
    """Run the gate for a version without changing the champion."""
    return await state["promotions"].preview(model, version, deadline=state["context"].deadline)


@router.post(
    "/{model}/rollback",
    responses={
        **success(load_example("rollback"), "An earlier version is champion; `served`: whether it is served already"),
        **responses(*MODEL_ERRORS, NothingToRollBackError, *_MOVE_ERRORS),
    },
    openapi_extra=json_body(RollbackRequest, load_example("rollback_request"), required=False),
)
async def roll_back(
    model: ModelName,
    state: StateDep,
    caller: AdminCaller,
    body: JsonBody,
) -> Move:
    """Return to the previous champion without the gate; repeated calls go further back."""
    sent = read_body(RollbackRequest, body) if body else RollbackRequest()
    return await state["promotions"].rollback(model, actor=caller.actor, reason=sent.reason or DEFAULT_REASON)


@router.get(
    "/{model}/promotions",
    responses={
        **success(load_example("promotions"), "Promotions and rollbacks with actor, time, reason and evidence"),
        **responses(*MODEL_ERRORS),
    },
)
def list_promotions(
    model: ModelName,
    state: StateDep,
    limit: Limit = 50,
    cursor: Annotated[int | None, Query(ge=1, description="`next_cursor` of the previous page")] = None,
) -> PromotionPage:
    """List the promotions and rollbacks of a model, newest first."""
    return state["promotions"].page(model, limit=limit, cursor=cursor)


@router.get(
    "/{model}/versions/{version}/evaluations",
    responses={
        **success(load_example("evaluations"), "The evaluation from publishing, then those of jobs, newest first"),
        **responses(*VERSION_ERRORS),
    },
)
def list_evaluations(
    model: ModelName,
    version: VersionNumber,
    catalog: CatalogDep,
    state: StateDep,
    limit: Limit = 20,
    cursor: Annotated[str | None, Query(max_length=100, description="`next_cursor` of the previous page")] = None,
) -> EvaluationPage:
    """List the evaluations of a version."""
    manifest = catalog.manifest(model, version)
    return evaluations_of(catalog.repository, state["settings"].home, manifest, limit=limit, cursor=cursor)
