"""/feedback: true labels of captured images from clients, and the export of all labels."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Annotated

import orjson
from fastapi import APIRouter, Query
from starlette.responses import StreamingResponse

from core.images.class_labels import label_problem, normalized_label
from core.schemas.labels import FeedbackRequest, FeedbackResult
from service.api.common.json_body import JsonBody, json_body, read_body
from service.api.common.openapi import BODY_ERRORS, content, success
from service.api.deps import CALLER_ERRORS, FeedbackCaller, JobsCaller, StateDep
from service.api.examples import load_example
from service.datasets.uploads import storage_problem
from service.errors import HomeNotWritableError, InvalidParametersError, StorageFullError, responses
from service.labels.events import LabelEvent

router = APIRouter(prefix="/feedback", tags=["traffic"])
MEDIA_TYPE = "application/jsonl; charset=utf-8"
_LINES = 256
"""Number of lines that are sent at a time."""
_EXPORT_EXAMPLE = (
    '{"kind":"label","id":"3b8b614e76cd18940000000000000004","recorded":1767322985.1,"origin":"capture","trial":null,'
    '"label":"cat","source":"feedback","by":"key 1f2e3d4c (feedback)","time":1767323000.5,"probability":null,'
    '"capture_probability":0.1,"answers":[],"is_current":true}\n'
)


@router.post(
    "",
    responses={
        **success(load_example("feedback"), "Number of stored labels, and the ids without an image"),
        **responses(InvalidParametersError, StorageFullError, HomeNotWritableError, *CALLER_ERRORS, *BODY_ERRORS),
    },
    openapi_extra=json_body(FeedbackRequest, load_example("feedback_request")),
)
async def send_feedback(state: StateDep, caller: FeedbackCaller, body: JsonBody) -> FeedbackResult:
    """Store the true classes of captured images by request id.

    Sending a label again changes nothing. Another label for the same image is a correction: the last one counts, and
    the history is kept.
    """
    sent = read_body(FeedbackRequest, body)
    labels: dict[str, str | None] = {}
    for index, each in enumerate(sent.labels):
        label = None if each.label is None else normalized_label(each.label)
        problem = None if label is None else label_problem(label)
        if problem is not None:
            raise InvalidParametersError([(f"labels.{index}.label", problem)])
        if labels.get(each.id, label) != label:
            raise InvalidParametersError([(f"labels.{index}.id", "the id has several labels: send one")])
        labels[each.id] = label
    try:
        found = await asyncio.to_thread(state["labelling"].feedback, list(labels.items()), by=caller.actor)
    except OSError as error:
        raise storage_problem(error) from error
    return FeedbackResult(
        stored=found.stored, unchanged=found.unchanged, unknown=found.unknown, new_classes=found.new_classes
    )


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={
        **content(
            "One line of JSON for each label, oldest first",
            {"application/jsonl": {"schema": {"type": "string"}, "example": _EXPORT_EXAMPLE}},
        ),
        **responses(InvalidParametersError, *CALLER_ERRORS),
    },
)
async def export_feedback(
    state: StateDep,
    _: JobsCaller,
    history: Annotated[bool, Query(description="also corrected and undone labels, skips and undos")] = False,
) -> StreamingResponse:
    """Download the labels of clients and people, with the answers of the models.

    Labels stay when their images have expired.
    """
    found = await asyncio.to_thread(state["labelling"].export, history=history)
    return StreamingResponse(
        _lines(found), media_type=MEDIA_TYPE, headers={"Content-Disposition": 'attachment; filename="labels.jsonl"'}
    )


def _lines(found: list[tuple[LabelEvent, bool]]) -> Iterator[bytes]:
    for start in range(0, len(found), _LINES):
        part = found[start : start + _LINES]
        yield b"".join(
            orjson.dumps({**event.model_dump(mode="json"), "is_current": current}) + b"\n" for event, current in part
        )
