from __future__ import annotations

import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator

import pytest

from service.observability.logging import RequestContext, configure_logging, current_request, log_access

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
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(log_format: str, level: str = "info") -> tuple[logging.Logger, io.StringIO]:
    stream = io.StringIO()
    configure_logging(level, log_format, stream)
    return logging.getLogger("duet.tests"), stream


@pytest.mark.usefixtures("_in_request")
def test_json_line_has_request_extras_and_traceback() -> None:
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


def test_line_outside_a_request_has_no_id() -> None:
    log, stream = lines("json")
    log.info("started")
    assert set(json.loads(stream.getvalue())) == {"time", "level", "logger", "message"}


@pytest.mark.usefixtures("_in_request")
def test_text_line_has_the_same_fields() -> None:
    log, stream = lines("text")
    log.warning("POST /predict %d", 200, extra={"duration_ms": 1.5})
    assert stream.getvalue().strip().endswith("warning POST /predict 200 duration_ms=1.5 request_id=an-id")


FORGED = "/\n12:00:00 info    POST /session 200\r\x1b[2K\x85\u2028\x00x"


def access_line(log_format: str) -> str:
    _, stream = lines(log_format)
    log_access(logging.INFO, "GET", FORGED, 404, 0.1, "127.0.0.1")
    logging.getLogger().handlers[0].flush()
    text = stream.getvalue()
    assert text.endswith("\n")
    return text.removesuffix("\n")


def test_path_cannot_forge_a_line_of_text() -> None:
    line = access_line("text")
    assert len(line.splitlines()) == 1
    assert line.isprintable()
    assert "GET /\\n12:00:00" in line


def test_path_cannot_forge_a_line_of_json() -> None:
    line = access_line("json")
    assert "\n" not in line
    assert json.loads(line)["message"] == f"GET {FORGED} 404"


def test_text_of_an_exception_cannot_forge_a_line() -> None:
    log, stream = lines("text")
    try:
        raise ValueError(FORGED)
    except ValueError:
        log.exception("it broke", extra={"file": FORGED})
    first, *traceback = stream.getvalue().split("\n")[:-1]
    assert first[8:].startswith(" error   it broke file=/\\n12:00:00")
    assert all(line.startswith("    ") for line in traceback)


def test_warnings_are_log_lines() -> None:
    _, stream = lines("json")
    warnings.showwarning("a damaged tag", UserWarning, "tiff.py", 1)
    record = json.loads(stream.getvalue())
    assert (record["level"], record["logger"]) == ("warning", "py.warnings")
    assert "a damaged tag" in record["message"]


def test_lines_below_the_level_are_left_out() -> None:
    log, stream = lines("json", level="warning")
    log.info("quiet")
    assert stream.getvalue() == ""


class Writes(io.StringIO):
    """Stream that records every flushed text, and blocks in the first flush until released."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self.has_begun, self.may_go_on = threading.Event(), threading.Event()

    def flush(self) -> None:
        self.pieces.append(self.getvalue())
        self.seek(0)
        self.truncate()
        self.has_begun.set()
        assert self.may_go_on.wait(30)


def paths(pieces: list[str]) -> list[str]:
    assert all(piece.endswith("\n") for piece in pieces)
    return [json.loads(line)["message"].split(" ")[1] for piece in pieces for line in piece.splitlines()]


def test_access_lines_are_written_in_atomic_pieces() -> None:
    stream = Writes()
    stream.may_go_on.set()
    configure_logging("info", "json", stream)
    sent = ["/\u00e9" * (1 + i % 50) + str(i) for i in range(200)] + ["/" + "x" * 9000, "/last"]
    for path in sent:
        log_access(logging.INFO, "GET", path, 200, 0.001, "127.0.0.1")
    logging.getLogger("duet.tests").warning("a line of any other kind brings the rest along")
    assert paths(stream.pieces)[:-1] == sent
    assert 2 < len(stream.pieces) < 60
    assert all(len(piece.encode()) <= 4096 or piece.count("\n") == 1 for piece in stream.pieces)


def test_lines_logged_during_a_flush_follow() -> None:
    stream = Writes()
    configure_logging("info", "json", stream)
    log_access(logging.INFO, "GET", "/first", 200, 0.001, None)
    assert stream.has_begun.wait(30)  # without anything else, after a moment
    log_access(logging.INFO, "GET", "/second", 200, 0.001, None)
    stream.may_go_on.set()
    while len(paths(stream.pieces)) < 2:
        pass
    assert paths(stream.pieces) == ["/first", "/second"]


def test_no_line_is_lost_between_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread logs while another one flushes, with the shortest possible switch interval."""
    stream = Writes()
    stream.may_go_on.set()
    configure_logging("info", "json", stream)
    [handler] = logging.getLogger().handlers
    interval = sys.getswitchinterval()
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            handler.flush()

    writer = threading.Thread(target=write)
    writer.start()
    sys.setswitchinterval(1e-6)
    try:
        for i in range(20_000):
            log_access(logging.INFO, "GET", f"/{i}", 200, 0.001, None)
    finally:
        sys.setswitchinterval(interval)
        done.set()
        writer.join()
    handler.flush()
    assert paths(stream.pieces) == [f"/{i}" for i in range(20_000)]


@pytest.mark.usefixtures("_in_request")
def test_access_line_has_the_common_fields() -> None:
    for log_format, begins in (("json", "{"), ("text", "")):
        stream = io.StringIO()
        configure_logging("info", log_format, stream)
        log_access(logging.INFO, "POST", "/predict", 200, 0.0123456, "10.0.0.1")
        log_access(logging.DEBUG, "GET", "/livez", 200, 0.001, "10.0.0.1")
        logging.getLogger().handlers[0].flush()
        [line] = stream.getvalue().splitlines()
        assert line.startswith(begins)
        if log_format == "json":
            record = json.loads(line)
            del record["time"]
            assert record == {
                "level": "info",
                "logger": "duet.access",
                "message": "POST /predict 200",
                "request_id": "an-id",
                "traceparent": REQUEST.traceparent,
                "duration_ms": 12.346,
                "client": "10.0.0.1",
            }
        else:
            assert line.endswith("POST /predict 200 duration_ms=12.346 client=10.0.0.1 request_id=an-id")
