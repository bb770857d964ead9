"""/models/{model}/shadow: shadow trials of a challenger on live requests."""

from __future__ import annotations

from fastapi import APIRouter

from core.schemas.models import DEFAULT_REASON
from core.schemas.shadow import EndTrialRequest, ShadowTrial
from core.trials.errors import NoTrialError, TrialNotPossibleError, TrialRunningError
from core.trials.records import TrialPlan
from service.api.common.json_body import JsonBody, json_body, read_body
from service.api.common.openapi import BODY_ERRORS, MODEL_ERRORS, VERSION_ERRORS, Errors, success
from service.api.deps import CALLER_ERRORS, AdminCaller, StateDep
from service.api.examples import load_example
from service.api.routes.models import ModelName
from service.datasets.uploads import storage_problem
from service.errors import HomeNotWritableError, StorageFullError, responses

router = APIRouter(prefix="/models", tags=["promotion"])
_CHANGE_ERRORS: Errors = (StorageFullError, HomeNotWritableError, *CALLER_ERRORS, *BODY_ERRORS)


@router.post(
    "/{model}/shadow",
    responses={
        **success(load_example("shadow_started"), "The trial has begun"),
        **responses(*VERSION_ERRORS, TrialNotPossibleError, TrialRunningError, *_CHANGE_ERRORS),
    },
    openapi_extra=json_body(TrialPlan, load_example("shadow_request")),
)
async def start_shadow_trial(model: ModelName, state: StateDep, caller: AdminCaller, body: JsonBody) -> ShadowTrial:
    """Let a version answer a share of the live requests too; clients get only the champion's answers.

    The challenger runs while no prediction waits. Pictures with different answers are stored under `DUET_HOME`, also
    without random capture, and come first in the labelling queue. The trial ends with a verdict, or when the label
    budget or the time is used up, on request, or if the champion changes. The probability of a wrong verdict is at
    most 5 %, no matter how often the trial is checked.
    """
    plan = read_body(TrialPlan, body)
    try:
        return await state["shadow"].start(model, plan, by=caller.actor)
    except OSError as error:
        raise storage_problem(error) from error


@router.get(
    "/{model}/shadow",
    responses={
        **success(load_example("shadow"), "The trial with its counts and evidence"),
        **responses(*MODEL_ERRORS, NoTrialError),
    },
)
async def get_shadow_trial(model: ModelName, state: StateDep) -> ShadowTrial:
    """Return the running or else the newest trial of a model."""
    return await state["shadow"].status(model)


@router.post(
    "/{model}/shadow/end",
    responses={
        **success(load_example("shadow"), "The trial has ended"),
        **responses(*MODEL_ERRORS, NoTrialError, *_CHANGE_ERRORS),
    },
    openapi_extra=json_body(EndTrialRequest, {"reason": "the challenger is too slow"}, required=False),
)
async def end_shadow_trial(model: ModelName, state: StateDep, caller: AdminCaller, body: JsonBody) -> ShadowTrial:
    """End the running trial of a model. A trial that has ended already does not change."""
    sent = read_body(EndTrialRequest, body) if body else EndTrialRequest()
    try:
        return await state["shadow"].end(model, by=caller.actor, note=sent.reason or DEFAULT_REASON)
    except OSError as error:
        raise storage_problem(error) from error
