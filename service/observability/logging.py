"""Logging: one JSON object per line, or text for a terminal. Lines of a request carry its id.

Log lines contain text of clients, such as paths. In text format, control characters are escaped and tracebacks are
indented, so that this text cannot look like another line.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import NamedTuple, TextIO

import orjson


class RequestContext(NamedTuple):
    """Id, trace and times of one request.

    Attributes:
        id: X-Request-ID of the client if it is valid, otherwise a new id.
        traceparent: W3C trace context of the client if it is valid.
        started: time when the head of the request was read, on the clock of `time.perf_counter`.
        deadline: time by which the response is due, on the same clock.
        host: Host header; several are joined by commas, None without one.
    """

    id: str
    traceparent: str | None
    started: float
    deadline: float
    host: bytes | None = None


current_request: ContextVar[RequestContext | None] = ContextVar("current_request", default=None)
"""The request whose code is running; read by the log formatters."""

ACCESS_LOGGER = "duet.access"
access_log = logging.getLogger(ACCESS_LOGGER)
FLUSH_SECONDS = 0.2
MAX_LINES = 256
MAX_ATOMIC_BYTES = 4096
"""Largest atomic write to a pipe (PIPE_BUF, see pipe(7)); longer writes of several workers could interleave."""
_LEVEL_NAMES = {logging.DEBUG: "debug", logging.INFO: "info", logging.WARNING: "warning", logging.ERROR: "error"}

# Attributes of every LogRecord; all others were passed as `extra` and are written to the line.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


# Control characters and Unicode's line separators.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class JsonFormatter(logging.Formatter):
    """Formats a record as JSON: time, level, logger, message, request id, trace, `extra` fields, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        line = _head(record.created, record.levelno, record.name, record.getMessage(), current_request.get())
        line |= {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class TextFormatter(logging.Formatter):
    """Formats a record as text with the same fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line, followed by the indented traceback."""
        request = current_request.get()
        fields = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if request is not None:
            fields["request_id"] = request.id
        listed = "".join(f" {name}={value}" for name, value in fields.items())
        moment = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        line = _escaped(f"{moment} {record.levelname.lower():7} {record.getMessage().rstrip()}{listed}")
        if not record.exc_info:
            return line
        traceback = self.formatException(record.exc_info).splitlines()
        return "\n".join([line, *(f"    {_escaped(each)}" for each in traceback)])


class BufferedHandler(logging.StreamHandler[TextIO]):
    """Buffered log handler: access lines are written in blocks, because one write per line limits the throughput.

    The buffer is flushed with the next line of any other logger, after FLUSH_SECONDS, and when the process exits.
    """

    def __init__(self, stream: TextIO, *, is_json: bool) -> None:
        super().__init__(stream)
        self.is_json = is_json
        self.setFormatter(JsonFormatter() if is_json else TextFormatter())
        self._lines: list[str | _Access] = []
        self._timer: threading.Timer | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Buffer one line; the caller holds the lock of the handler."""
        try:
            self._lines.append(self.format(record))
        except Exception:
            self.handleError(record)
            return
        if record.name != ACCESS_LOGGER:
            self.flush()
        else:
            self._flush_soon()

    def access(self, line: _Access) -> None:
        """Buffer an access line without creating a LogRecord, which would cost several times as much.

        Lines are converted to JSON when they are flushed: converting many in a row takes half the time.
        """
        self._lines.append(line)
        self._flush_soon()

    def _flush_soon(self) -> None:
        if len(self._lines) >= MAX_LINES:
            self.flush()
        elif self._timer is None:
            timer = self._timer = threading.Timer(FLUSH_SECONDS, self.flush)
            timer.daemon = True
            timer.start()

    def flush(self) -> None:
        """Write the buffered lines."""
        with self.lock or nullcontext():
            self._timer = None
            # The list is cut, not replaced, because another thread may append at any time.
            count = len(self._lines)
            lines = self._lines[:count]
            del self._lines[:count]
            for piece in _pieces(line if isinstance(line, str) else line.json() for line in lines):
                self.stream.write(piece)
                self.stream.flush()


def _pieces(lines: Iterable[str]) -> Iterator[str]:
    """The lines, joined into pieces of at most MAX_ATOMIC_BYTES; a longer line is one piece."""
    piece, size = "", 0
    for line in lines:
        more = 1 + (len(line) if line.isascii() else len(line.encode()))
        if piece and size + more > MAX_ATOMIC_BYTES:
            yield piece
            piece, size = "", 0
        piece += line + "\n"
        size += more
    if piece:
        yield piece


def log_access(level: int, method: str, path: str, status: int, seconds: float, client: str | None) -> None:
    """Write the access line of a request; `seconds` is the time from its head to the end of the response."""
    if not access_log.isEnabledFor(level):
        return
    handlers = logging.root.handlers
    if len(handlers) == 1 and isinstance(handlers[0], BufferedHandler) and handlers[0].is_json:
        request = current_request.get()
        handlers[0].access(_Access(time.time(), level, method, path, status, seconds, client, request))
    else:
        extra = {"duration_ms": round(seconds * 1000, 3), "client": client}
        access_log.log(level, "%s %s %d", method, path, status, extra=extra)


class _Access(NamedTuple):
    """Fields of one access line."""

    created: float
    level: int
    method: str
    path: str
    status: int
    seconds: float
    client: str | None
    request: RequestContext | None

    def json(self) -> str:
        """The line as JSON."""
        message = f"{self.method} {self.path} {self.status}"
        line = _head(self.created, self.level, ACCESS_LOGGER, message, self.request)
        line["duration_ms"] = round(self.seconds * 1000, 3)
        line["client"] = self.client
        return orjson.dumps(line).decode()


def _head(created: float, level: int, logger: str, message: str, request: RequestContext | None) -> dict[str, object]:
    """Fields that every JSON line begins with."""
    line: dict[str, object] = {
        "time": datetime.fromtimestamp(created, UTC),
        "level": _LEVEL_NAMES.get(level) or logging.getLevelName(level).lower(),
        "logger": logger,
        "message": message,
    }
    if request is not None:
        line["request_id"] = request.id
        if request.traceparent is not None:
            line["traceparent"] = request.traceparent
    return line


def configure_logging(level: str, log_format: str, stream: TextIO = sys.stderr) -> None:
    """Send all log lines of this process to `stream`.

    Args:
        level: least severe level to write.
        log_format: `json` or `text`.
        stream: standard error by default, because standard output has only the address line.
    """
    handler = BufferedHandler(stream, is_json=log_format == "json")
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # These fields are not used and slow to collect: see "Optimization" in Python's logging documentation.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
    logging.captureWarnings(True)
    # The app writes access lines itself; uvicorn's own info lines are not needed.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    for name in ("asyncio", "PIL"):
        logging.getLogger(name).setLevel(logging.WARNING)
