from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from service.context import RequestContext, current_request
from service.logs import configure_logging

REQUEST = RequestContext("an-id", "00-" + "a" * 32 + "-" + "b" * 16 + "-01", started=0.0, deadline=1.0)


@pytest.fixture
def _in_request() -> Iterator[None]:
    token = current_request.set(REQUEST)
    yield
    current_request.reset(token)


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(log_format: str, level: str = "info") -> tuple[logging.Logger, io.StringIO]:
    stream = io.StringIO()
    configure_logging(level, log_format, stream)
    return logging.getLogger("duet.tests"), stream


@pytest.mark.usefixtures("_in_request")
def test_a_json_line_has_the_request_the_extras_and_the_traceback() -> None:
    log, stream = lines("json")
    try:
        raise ValueError("two\nlines")
    except ValueError:
        log.exception("it broke: %s", "why", extra={"model": "cnn@1", "path": io})
    [line] = stream.getvalue().splitlines()
    record = json.loads(line)
    assert record["message"] == "it broke: why"
    assert (record["level"], record["logger"]) == ("error", "duet.tests")
    assert (record["request_id"], record["traceparent"]) == ("an-id", REQUEST.traceparent)
    assert record["model"] == "cnn@1"
    assert "ValueError: two\nlines" in record["traceback"]
    assert record["time"].endswith("+00:00")


def test_a_line_outside_a_request_has_no_id() -> None:
    log, stream = lines("json")
    log.info("started")
    assert set(json.loads(stream.getvalue())) == {"time", "level", "logger", "message"}


@pytest.mark.usefixtures("_in_request")
def test_a_text_line_is_for_eyes() -> None:
    log, stream = lines("text")
    log.warning("POST /predict %d", 200, extra={"duration_ms": 1.5})
    assert stream.getvalue().strip().endswith("warning POST /predict 200 duration_ms=1.5 request_id=an-id")


def test_lines_below_the_level_are_left_out() -> None:
    log, stream = lines("json", level="warning")
    log.info("quiet")
    assert stream.getvalue() == ""
