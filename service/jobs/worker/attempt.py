"""Supervision of one attempt at a job: events of its child process, lease, time limit and termination."""

from __future__ import annotations

import logging
import select
import signal
import threading
import time
from collections.abc import Callable
from typing import Literal, TypeVar

from core.errors import BrokerUnavailableError, LostClaimError
from core.jobs.events import Cancel
from service.jobs.store.store import Claim, JobStore
from service.jobs.worker.child_process import Child
from service.jobs.worker.event_forwarder import EventForwarder
from service.settings import Settings

StopReason = Literal["cancelled", "shutdown", "time", "lost"]
"""Reason to stop a child: its job was cancelled, its worker shuts down, its time limit passed, or its claim is lost."""

TICK_SECONDS = 0.1
RENEW_SECONDS = 1.0
"""Interval of lease renewals, and so the delay until a cancellation is noticed."""
JOB_SECONDS = 24 * 3600.0
"""Time limit for one attempt of a job; then the job fails and its last checkpoint is kept."""
BROKER_PAUSE_SECONDS = 0.5
SHUTDOWN_PATIENCE_SECONDS = 3.0
"""Time that a worker waits for an unavailable broker during shutdown."""
TERM_AFTER_SECONDS, KILL_AFTER_SECONDS = 4.0, 7.0
"""Times of SIGTERM and SIGKILL after the stop request; with RENEW_SECONDS, a cancellation takes less than 10 s."""
_LAST_READS = 1000

Result = TypeVar("Result")
log = logging.getLogger("duet.jobs")


class Attempt:
    """One claim on a job and its child process; `stopping` is set when the worker shuts down."""

    def __init__(
        self,
        store: JobStore,
        claim: Claim,
        child: Child,
        forwarder: EventForwarder,
        settings: Settings,
        stopping: threading.Event,
    ) -> None:
        self._store = store
        self._claim = claim
        self._child = child
        self._forwarder = forwarder
        self._stopping = stopping
        self._lease_seconds = settings.job_lease_seconds
        self._due = time.monotonic() + JOB_SECONDS
        self._renew_at = self._retry_at = 0.0
        self._stop_at = 0.0
        self._sent: set[str] = set()
        self.stopped: StopReason | None = None

    def watch(self) -> None:
        """Block until the child has ended, then kill its process group and read its remaining events."""
        while not self._child.has_ended():
            self._listen()
            if time.monotonic() >= self._retry_at:
                self._with_broker(self._forwarder.flush)
                self._with_broker(self._check_claim)
            self._check_time()
            self._escalate()
        self._child.signal(signal.SIGKILL)
        for _ in range(_LAST_READS):
            lines = self._child.lines.read()
            self._forwarder.receive(lines)
            if not lines and self._child.lines.ended:
                break

    def _listen(self) -> None:
        if self._child.lines.ended:
            time.sleep(TICK_SECONDS)
        elif select.select([self._child.descriptor], [], [], TICK_SECONDS)[0]:
            self._forwarder.receive(self._child.lines.read())

    def _with_broker(self, action: Callable[[], None]) -> None:
        try:
            action()
        except BrokerUnavailableError as error:
            if self._retry_at == 0.0:
                log.warning("job %s continues without the broker: %s", self._claim.record.id, error)
            self._retry_at = time.monotonic() + BROKER_PAUSE_SECONDS
        except LostClaimError:
            self._stop("lost")
        else:
            self._retry_at = 0.0

    def _check_claim(self) -> None:
        now = time.monotonic()
        if now < self._renew_at:
            return
        status = self._store.renew(self._claim.record.id, self._claim.token, self._lease_seconds)
        if status != "held":
            self._stop("lost" if status == "lost" else "cancelled")
        self._renew_at = now + min(RENEW_SECONDS, self._lease_seconds / 3)

    def _check_time(self) -> None:
        if self._stopping.is_set():
            self._stop("shutdown")
        elif time.monotonic() > self._due:
            self._stop("time")

    def _stop(self, reason: StopReason) -> None:
        if self.stopped is None:
            self._stop_at = time.monotonic()
        if self.stopped is None or reason == "lost":
            self.stopped = reason

    def _escalate(self) -> None:
        """Send the stop request, then SIGTERM, then SIGKILL, depending on the time since the stop."""
        if self.stopped is None:
            return
        waited = time.monotonic() - self._stop_at
        if self.stopped == "lost" or waited >= KILL_AFTER_SECONDS:
            self._child.signal(signal.SIGKILL)
        elif waited >= TERM_AFTER_SECONDS:
            self._once("term", lambda: self._child.signal(signal.SIGTERM))
        else:
            self._once("cancel", lambda: self._child.send(Cancel()))

    def _once(self, name: str, action: Callable[[], None]) -> None:
        if name not in self._sent:
            self._sent.add(name)
            action()


def retry_until_available(action: Callable[[], Result], stopping: threading.Event) -> Result:
    """Run a broker action, and retry it until the broker is available.

    Raises:
        BrokerUnavailableError: the worker shuts down and the broker stayed unavailable for SHUTDOWN_PATIENCE_SECONDS.
    """
    give_up: float | None = None
    while True:
        try:
            return action()
        except BrokerUnavailableError:
            if stopping.is_set():
                give_up = give_up or time.monotonic() + SHUTDOWN_PATIENCE_SECONDS
                if time.monotonic() > give_up:
                    raise
            time.sleep(BROKER_PAUSE_SECONDS)
