"""Event stream of a job, read in a thread that records when each event arrives."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from benchmarks.common.report import BenchmarkError
from core.errors import DuetError
from core.jobs.stored_event import StoredEvent
from duet import Client

CHILD_EVENTS = frozenset({"stage", "note", "fit_started", "progress", "epoch"})
"""Events of a job's process; the others come from the worker and the API."""
TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True)
class Received:
    """An event, and the times when the broker stored it and the client read it, in ms since 1970 of one clock."""

    stored: StoredEvent
    read_ms: float

    @property
    def stored_ms(self) -> float:
        """Time of the broker, in whole milliseconds."""
        return 1000 * self.stored.at.timestamp()


class JobStream:
    """Events of a job, read until the job has ended."""

    def __init__(self, client: Client, job_id: str) -> None:
        self.received: list[Received] = []
        self._client, self._id = client, job_id
        self._changed = threading.Condition()
        self._ended: str | None = None
        threading.Thread(target=self._read, name=job_id, daemon=True).start()

    def wait(self, kind: str) -> Received:
        """Return the first event of a kind, such as `claimed`.

        Raises:
            BenchmarkError: the stream ended without it, or there was none within TIMEOUT_SECONDS.
        """
        with self._changed:
            arrived = self._changed.wait_for(lambda: self.of_kind(kind) or self._ended, TIMEOUT_SECONDS)
            found = self.of_kind(kind)
        if not found:
            reason = self._ended if arrived else f"no such event for {TIMEOUT_SECONDS:.0f} s"
            last = "; ".join(one.stored.event.model_dump_json() for one in self.received[-3:])
            raise BenchmarkError(f"the job sent no {kind}: {reason}. Its last events: {last or 'none'}")
        return found[0]

    def of_kind(self, *kinds: str) -> list[Received]:
        """Return the events of these kinds so far."""
        return [one for one in self.received if one.stored.event.event in kinds]

    def delays_ms(self) -> list[float]:
        """Return the time from storing to reading of each event of the job's process."""
        return [one.read_ms - one.stored_ms for one in self.of_kind(*CHILD_EVENTS)]

    def cancel(self) -> None:
        """Cancel the job and wait until it has ended."""
        self._client.cancel(self._id)
        self.wait("finished")

    def _read(self) -> None:
        ended = "the stream ended"
        try:
            for stored in self._client.events(self._id):
                received = Received(stored, 1000 * time.time())
                with self._changed:
                    self.received.append(received)
                    self._changed.notify_all()
        except DuetError as error:
            ended = f"the stream failed: {error}"
        finally:
            with self._changed:
                self._ended = ended
                self._changed.notify_all()
