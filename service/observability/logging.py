"""Log lines: one JSON object each, or text for a terminal; every line of a request carries its id."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import NamedTuple, TextIO

import orjson

from service.observability.request_context import RequestContext, current_request

ACCESS_LOGGER = "duet.access"
access_log = logging.getLogger(ACCESS_LOGGER)
FLUSH_SECONDS = 0.2
MAX_LINES = 256
WHOLE_BYTES = 4096
"""What a pipe takes in one piece (PIPE_BUF in pipe(7)): in longer writes, lines of several workers could mix."""
_LEVEL_NAMES = {logging.DEBUG: "debug", logging.INFO: "info", logging.WARNING: "warning", logging.ERROR: "error"}

# What every LogRecord has; whatever else one carries was passed as `extra` and belongs in the line.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class JsonFormatter(logging.Formatter):
    """time, level, logger, message, the request's id and trace, `extra` fields; a traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        line = _head(record.created, record.levelno, record.name, record.getMessage(), current_request.get())
        line |= {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class TextFormatter(logging.Formatter):
    """The same for human eyes."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line, and its traceback below."""
        request = current_request.get()
        fields = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if request is not None:
            fields["request_id"] = request.id
        listed = "".join(f" {name}={value}" for name, value in fields.items())
        moment = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        line = f"{moment} {record.levelname.lower():7} {record.getMessage()}{listed}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class BufferedHandler(logging.StreamHandler[TextIO]):
    """Writes access lines a few at a time: at several thousand requests a second, a system call for each would take
    more time than making the line.

    What is buffered is written with the next line of any other logger, after FLUSH_SECONDS at the latest, and when the
    process exits.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lines: list[str | _Access] = []
        self._timer: threading.Timer | None = None

    @property
    def writes_json(self) -> bool:
        """Whether its lines are JSON objects."""
        return isinstance(self.formatter, JsonFormatter)

    def emit(self, record: logging.LogRecord) -> None:
        """Take one line; the caller holds the handler's lock."""
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
        """Take an access line, past the logging library, whose record of it would cost several times as much.

        It becomes JSON when it is written: making many lines in a row takes half the time of making each among other
        things.
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
        """Write what is buffered."""
        with self.lock or nullcontext():
            self._timer = None
            # Cut off rather than swapped for a new list: another thread may append at any moment.
            count = len(self._lines)
            lines = self._lines[:count]
            del self._lines[:count]
            for piece in _pieces(line if isinstance(line, str) else line.json() for line in lines):
                self.stream.write(piece)
                self.stream.flush()


def _pieces(lines: Iterable[str]) -> Iterator[str]:
    """The lines, as many at a time as fit into one write; a longer one alone."""
    piece, size = "", 0
    for line in lines:
        more = 1 + (len(line) if line.isascii() else len(line.encode()))
        if piece and size + more > WHOLE_BYTES:
            yield piece
            piece, size = "", 0
        piece += line + "\n"
        size += more
    if piece:
        yield piece


def log_access(level: int, method: str, path: str, status: int, seconds: float, client: str | None) -> None:
    """Write the access line of a request.

    Args:
        level: of the line.
        method: of the request.
        path: of the request.
        status: of the answer.
        seconds: from the request's head to the end of its answer.
        client: its address.
    """
    if not access_log.isEnabledFor(level):
        return
    handlers = logging.root.handlers
    if len(handlers) == 1 and isinstance(handlers[0], BufferedHandler) and handlers[0].writes_json:
        request = current_request.get()
        handlers[0].access(_Access(time.time(), level, method, path, status, seconds, client, request))
    else:
        extra = {"duration_ms": round(seconds * 1000, 3), "client": client}
        access_log.log(level, "%s %s %d", method, path, status, extra=extra)


class _Access(NamedTuple):
    """One answered request."""

    created: float
    level: int
    method: str
    path: str
    status: int
    seconds: float
    client: str | None
    request: RequestContext | None

    def json(self) -> str:
        """The line of it."""
        message = f"{self.method} {self.path} {self.status}"
        line = _head(self.created, self.level, ACCESS_LOGGER, message, self.request)
        line["duration_ms"] = round(self.seconds * 1000, 3)
        line["client"] = self.client
        return orjson.dumps(line).decode()


def _head(created: float, level: int, logger: str, message: str, request: RequestContext | None) -> dict[str, object]:
    """What every JSON line begins with."""
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
        stream: standard error, so that standard output has the address line alone.
    """
    handler = BufferedHandler(stream)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # No line shows these, and finding them out takes longer than all the rest of a line: see "Optimization" in
    # Python's logging documentation.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
    # Access lines come from the app, with request ids; what uvicorn says at info about itself would be noise.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    for name in ("asyncio", "PIL"):
        logging.getLogger(name).setLevel(logging.WARNING)
