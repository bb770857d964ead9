"""A client of GET /jobs/{id}/events, such as a browser is, that notes when it has read each event."""

from __future__ import annotations

import http.client
import json
import threading
import time
from dataclasses import dataclass
from typing import Any

from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.messages import HOST

CHILD_EVENTS = frozenset({"stage", "note", "fit_started", "progress", "epoch"})
"""Those that a job's process tells; the others are the worker's and the API's."""
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Heard:
    """An event, when the broker stored it, and when its client had read it: milliseconds since 1970, of one clock."""

    event: dict[str, Any]
    stored_ms: int
    read_ms: float

    @property
    def kind(self) -> str:
        """Such as `claimed`."""
        return str(self.event["event"])

    @property
    def delay_ms(self) -> float:
        """From storing to reading; up to a millisecond too much, because the broker writes whole ones."""
        return self.read_ms - self.stored_ms


class JobStream:
    """The events of a job, read in a thread of its own until the job has ended."""

    def __init__(self, port: int, job_id: str) -> None:
        self.heard: list[Heard] = []
        self._port = port
        self._path = f"/jobs/{job_id}/events"
        self._changed = threading.Condition()
        self._ended: str | None = None
        threading.Thread(target=self._read, name=job_id, daemon=True).start()

    def wait(self, kind: str) -> Heard:
        """The first event of this kind, once it is there.

        Raises:
            BenchmarkError: the stream has ended without, or nothing of the kind came in two minutes.
        """
        with self._changed:
            arrived = self._changed.wait_for(lambda: self._first(kind) or self._ended, PATIENCE_SECONDS)
            found = self._first(kind)
        if found is None:
            reason = self._ended if arrived else f"nothing of the kind came for {PATIENCE_SECONDS:.0f} seconds"
            told = "; ".join(json.dumps(heard.event) for heard in self.heard[-3:])
            raise BenchmarkError(f"a job told no {kind}: {reason}. The last it told: {told or 'nothing'}")
        return found

    @property
    def delays_ms(self) -> list[float]:
        """Of each event of the job's process."""
        return [heard.delay_ms for heard in self.heard if heard.kind in CHILD_EVENTS]

    def _first(self, kind: str) -> Heard | None:
        return next((heard for heard in self.heard if heard.kind == kind), None)

    def _read(self) -> None:
        problem = "the stream has ended"
        connection = http.client.HTTPConnection(HOST, self._port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("GET", self._path, headers={"Accept": "text/event-stream"})
            self._follow(connection.getresponse())
        except (OSError, http.client.HTTPException) as error:
            problem = f"the stream broke off: {error!r}"
        finally:
            connection.close()
            with self._changed:
                self._ended = problem
                self._changed.notify_all()

    def _follow(self, response: http.client.HTTPResponse) -> None:
        fields: dict[str, str] = {}
        while line := response.readline():
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                fields[name] = value
            elif "data" in fields:
                stored_ms = int(fields["id"].partition("-")[0])
                heard = Heard(json.loads(fields["data"]), stored_ms, 1000 * time.time())
                fields = {}
                with self._changed:
                    self.heard.append(heard)
                    self._changed.notify_all()
