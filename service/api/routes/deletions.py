"""Deletion routes: versions and families are deleted permanently, and a family is archived, which ends its service."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from core.errors import BrokerUnavailableError, ChampionDeletionError, NoChampionError, ShippedVersionError
from core.schemas.models import DEFAULT_REASON, ArchiveRequest, Deletion, Move, Reason
from core.trials.errors import TrialRunningError
from service.api.common.json_body import JsonBody, json_body, read_body
from service.api.common.openapi import BODY_ERRORS, MODEL_ERRORS, success
from service.api.deps import CALLER_ERRORS, AdminCaller, StateDep
from service.api.examples import load_example
from service.api.routes.models import ModelName, VersionNumber
from service.errors import DeadlineExceededError, VersionInUseError, responses
from service.jobs.versions_in_use import versions_in_use
from service.state import RequestState

router = APIRouter(prefix="/models", tags=["promotion"])
_DELETION_ERRORS = (
    *MODEL_ERRORS,
    *CALLER_ERRORS,
    VersionInUseError,
    ChampionDeletionError,
    ShippedVersionError,
    TrialRunningError,
    BrokerUnavailableError,
    DeadlineExceededError,
)
ReasonQuery = Annotated[Reason | None, Query(description="reason for the audit trail")]


@router.post(
    "/{model}/archive",
    responses={
        **success(load_example("archive"), "The model has no champion and is no longer served"),
        **responses(*MODEL_ERRORS, NoChampionError, ShippedVersionError, *CALLER_ERRORS, *BODY_ERRORS),
    },
    openapi_extra=json_body(ArchiveRequest, load_example("archive_request"), required=False),
)
async def archive_model(model: ModelName, state: StateDep, caller: AdminCaller, body: JsonBody) -> Move:
    """Stop serving a model: it has no champion until a version is promoted, or a rollback restores the last one.

    Its versions stay. Models that ship with the project cannot be archived.
    """
    sent = read_body(ArchiveRequest, body) if body else ArchiveRequest()
    return await state["promotions"].archive(model, actor=caller.actor, reason=sent.reason or DEFAULT_REASON)


@router.delete(
    "/{model}/versions/{version}",
    responses={
        **success(load_example("deletion"), "The version is deleted"),
        **responses(*_DELETION_ERRORS),
    },
)
async def delete_version(
    model: ModelName, version: VersionNumber, state: StateDep, caller: AdminCaller, reason: ReasonQuery = None
) -> Deletion:
    """Delete a version permanently. Its number is not used again.

    The champion, versions that ship with the project, the challenger of a running shadow trial and versions that an
    unfinished job reads are not deleted.
    """
    return await state["promotions"].delete(
        model, version, in_use=await _in_use(state), actor=caller.actor, reason=reason or DEFAULT_REASON
    )


@router.delete(
    "/{model}",
    responses={
        **success(load_example("deletion"), "All versions of the model are deleted"),
        **responses(*_DELETION_ERRORS),
    },
)
async def delete_model(model: ModelName, state: StateDep, caller: AdminCaller, reason: ReasonQuery = None) -> Deletion:
    """Delete a model with all its versions permanently. Archive it first: a model with a champion is not deleted."""
    return await state["promotions"].delete(
        model, None, in_use=await _in_use(state), actor=caller.actor, reason=reason or DEFAULT_REASON
    )


async def _in_use(state: RequestState) -> dict[str, str]:
    jobs = state["jobs"]
    return {} if jobs is None else await jobs.call(lambda: versions_in_use(jobs.store), state["context"].deadline)
