from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import JobEventError
from core.jobs.events import (
    MAX_LINE_BYTES,
    Cancel,
    Claimed,
    Failed,
    Finished,
    FitStarted,
    Interrupted,
    Note,
    Permission,
    Permit,
    Progress,
    Published,
    Result,
    Stage,
    read_child_message,
    read_job_event,
    read_worker_message,
    to_line,
    to_text,
)
from core.strict_model import StrictModel
from tests.support.jobs import epoch, progress

FROM_CHILD: tuple[Any, ...] = (
    Stage(name="fit"),
    Note(text="two\nlines, ünïcode and a \0"),
    FitStarted(steps=10, done=4, detail="mlp on cpu"),
    progress(3),
    epoch(1),
    Published(reference="cnn@3", test_accuracy=0.91),
    Result(result={"versions": [{"accuracy": 0.5}], "note": None}),
    Failed(error="DataError", message="no data"),
)
ADDED: tuple[Any, ...] = (
    Claimed(worker="host:1"),
    Interrupted(reason="killed", resumes=True),
    Finished(state="succeeded"),
)


@pytest.mark.parametrize("event", FROM_CHILD, ids=lambda event: event.event)
def test_child_event_is_one_line(event: StrictModel) -> None:
    line = to_line(event)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert read_child_message(line) == event
    assert read_job_event(to_text(event)) == event


@pytest.mark.parametrize("event", ADDED, ids=lambda event: event.event)
def test_child_cannot_send_worker_events(event: StrictModel) -> None:
    assert read_job_event(to_text(event)) == event
    with pytest.raises(JobEventError, match="not a job message"):
        read_child_message(to_line(event))


def test_permit_and_permission_are_not_events() -> None:
    permit = Permit(number=4, action="publish")
    assert read_child_message(to_line(permit)) == permit
    with pytest.raises(JobEventError):
        read_job_event(to_text(permit))
    for message in (Permission(number=4, granted=False), Cancel()):
        assert read_worker_message(to_line(message)) == message
        with pytest.raises(JobEventError):
            read_child_message(to_line(message))


def test_nan_loss_becomes_none() -> None:
    for lost in (float("nan"), float("inf")):
        message = read_child_message(to_line(progress(1, loss=lost)))
        assert isinstance(message, Progress)
        assert message.loss is None


@given(st.binary(max_size=200))
def test_invalid_event_raises_one_error_type(line: bytes) -> None:
    for read in (read_child_message, read_worker_message):
        with pytest.raises(JobEventError):
            read(line)


@pytest.mark.parametrize(
    "line",
    [
        b'{"event": "stage"}',
        b'{"event": "stage", "name": 3}',
        b'{"event": "stage", "name": "fit", "more": 1}',
        b'{"event": "stages", "name": "fit"}',
        b'["stage"]',
        b"null",
    ],
)
def test_message_with_wrong_fields_raises(line: bytes) -> None:
    with pytest.raises(JobEventError):
        read_child_message(line)


def test_message_above_the_size_limit_raises() -> None:
    text = "x" * (MAX_LINE_BYTES - len(to_line(Note(text=""))))
    assert read_child_message(to_line(Note(text=text))) == Note(text=text)
    with pytest.raises(JobEventError, match="the limit is"):
        read_child_message(to_line(Note(text=text + "x")))
