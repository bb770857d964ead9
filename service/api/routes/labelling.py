"""/labelling: pictures of the captured traffic that people label, and estimates from their labels."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from core.schemas.labels import (
    LabellingCounts,
    LabellingRequest,
    LabellingResult,
    LabellingSummary,
    LabellingTask,
    ModelEstimate,
    NextTask,
)
from core.text_pattern import TextPattern
from service.api.common.job_responses import BROKER_ERRORS
from service.api.common.json_body import JsonBody, json_body, read_body
from service.api.common.openapi import BODY_ERRORS, success
from service.api.deps import CALLER_ERRORS, JobsCaller, JobServiceDep, StateDep
from service.api.examples import load_example
from service.datasets.uploads import storage_problem
from service.errors import (
    ClaimLostError,
    HomeNotWritableError,
    InvalidParametersError,
    NothingToUndoError,
    StorageFullError,
    UnknownPictureError,
    responses,
)
from service.labels.claims import CLAIM_SECONDS, Claims
from service.labels.estimates import ProductionEstimate, estimate
from service.labels.labelling import Labelling, Task
from service.labels.pictures import data_url
from service.traffic.record import CapturedRequest

router = APIRouter(prefix="/labelling", tags=["traffic"])
PictureId = Annotated[
    str,
    TextPattern(r"^[0-9a-f]{32}$", "use the `id` of a picture from GET /labelling/next"),
    Path(description="`id` of a picture from GET /labelling/next"),
]
_DISK_ERRORS = (StorageFullError, HomeNotWritableError)


@router.get("", responses={**success(load_example("labelling"), "Counts and estimates"), **responses(*CALLER_ERRORS)})
async def get_labelling(state: StateDep, _: JobsCaller) -> LabellingSummary:
    """Return the number of waiting and labelled pictures, and the accuracy of the answers.

    The intervals hold at all times at once, so they may be looked at after every label.
    """
    return await asyncio.to_thread(_summary, state["labelling"])


@router.get(
    "/next",
    responses={
        **success(load_example("labelling_next"), "A picture, claimed for this caller for ten minutes"),
        **responses(*CALLER_ERRORS, *BROKER_ERRORS),
    },
)
async def next_picture(state: StateDep, caller: JobsCaller, jobs: JobServiceDep, response: Response) -> NextTask:
    """Claim the next picture to label; no other request gets it until the claim expires.

    Every captured image is chosen at random with a known probability, which is higher if the models are uncertain or
    disagree.
    """
    response.headers["Cache-Control"] = "no-store"
    labelling, claims = state["labelling"], Claims(jobs.store.client)

    def claim() -> NextTask:
        task = labelling.next_task(claims, by=caller.actor)
        return NextTask(task=None if task is None else _task(task), counts=_counts(labelling))

    return await jobs.call(claim, state["context"].deadline)


@router.post(
    "/{picture_id}",
    responses={
        **success(load_example("labelling_result"), "The label is stored"),
        **responses(
            InvalidParametersError,
            UnknownPictureError,
            ClaimLostError,
            NothingToUndoError,
            *_DISK_ERRORS,
            *CALLER_ERRORS,
            *BODY_ERRORS,
            *BROKER_ERRORS,
        ),
    },
    openapi_extra=json_body(LabellingRequest, load_example("labelling_request")),
)
async def label_picture(
    picture_id: PictureId, state: StateDep, caller: JobsCaller, jobs: JobServiceDep, body: JsonBody
) -> LabellingResult:
    """Label a claimed picture, skip it, or undo the last action for it.

    Sending a label again changes nothing. An undo claims the picture again.
    """
    sent = read_body(LabellingRequest, body)
    if (sent.action == "label") != (sent.label is not None):
        raise InvalidParametersError([("label", "give a class with the action `label`, and only with it")])
    labelling, claims = state["labelling"], Claims(jobs.store.client)

    def act() -> LabellingResult:
        record = labelling.find(picture_id)
        if record is None:
            raise UnknownPictureError
        task = None
        if sent.action == "undo":
            task = _undo(labelling, claims, record, picture_id, caller.actor)
        else:
            _label(labelling, claims, record, picture_id, sent, caller.actor)
        current = labelling.current(record)
        return LabellingResult(
            id=picture_id,
            label=None if current is None else current.label,
            is_labelled=current is not None,
            task=task,
            counts=_counts(labelling),
        )

    try:
        return await jobs.call(act, state["context"].deadline)
    except OSError as error:
        raise storage_problem(error) from error


def _label(
    labelling: Labelling, claims: Claims, record: CapturedRequest, key: str, sent: LabellingRequest, actor: str
) -> None:
    classes = record.answers[0].labels
    if sent.label is not None and sent.label not in classes:
        raise InvalidParametersError([("label", f"{sent.label!r} is not one of the classes {', '.join(classes)}")])
    if sent.claim is None:
        raise InvalidParametersError([("claim", "required: send the `claim` of the picture")])
    if not claims.holds(key, sent.claim):
        if sent.action != "skip" and labelling.has_label(record, sent.label, by=actor):
            return  # sent again after a lost response
        raise ClaimLostError
    if sent.action == "skip":
        labelling.skip(record, by=actor)
    else:
        labelling.label(record, sent.label, by=actor)
    claims.release(key, sent.claim)


def _undo(labelling: Labelling, claims: Claims, record: CapturedRequest, key: str, actor: str) -> LabellingTask | None:
    if not labelling.undo(record, by=actor):
        raise NothingToUndoError
    token = claims.take(key)
    return None if token is None else _task(Task(record, key, token))


def _task(task: Task) -> LabellingTask:
    record = task.record
    height, width, _ = record.image.shape
    return LabellingTask(
        id=task.key,
        claim=task.claim,
        expires_at=datetime.now(UTC) + timedelta(seconds=CLAIM_SECONDS),
        record=record.id,
        recorded_at=record.time,
        origin=record.origin,
        classes=record.answers[0].labels,
        width=width,
        height=height,
        picture=data_url(record.image),
    )


def _counts(labelling: Labelling) -> LabellingCounts:
    counts = labelling.counts()
    return LabellingCounts(waiting=counts.waiting, labelled=counts.labelled)


def _summary(labelling: Labelling) -> LabellingSummary:
    observed = labelling.observations()
    return LabellingSummary(
        counts=_counts(labelling),
        observations=len(observed),
        other_labels=labelling.other_labels(),
        estimates=tuple(map(_estimate, estimate(observed))),
    )


def _estimate(found: ProductionEstimate) -> ModelEstimate:
    return ModelEstimate(
        model=found.model.family,
        version=found.model.version,
        precision=found.model.precision,
        images=found.images,
        accuracy=found.accuracy,
        class_precision=found.precision,
        class_recall=found.recall,
    )
