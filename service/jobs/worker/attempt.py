"""Watching over one attempt at a job: its child's words, its claim, its time, and an end when one is called for."""

from __future__ import annotations

import logging
import select
import signal
import threading
import time
from collections.abc import Callable
from typing import Literal, Protocol, TypeVar

from core.errors import BrokerUnavailableError, LostClaimError
from core.jobs.events import Cancel
from service.jobs.store.store import ClaimStatus
from service.jobs.worker.child_process import Child
from service.jobs.worker.event_relay import EventForwarder

StopReason = Literal["cancelled", "shutdown", "time", "lost"]
"""Why a child was made to stop: its job was cancelled, its worker is shut down, it took too long, or another worker
has its job."""

TICK_SECONDS = 0.1
RENEW_SECONDS = 1.0
"""Between two looks at the claim, so that a cancellation is seen about as soon."""
BROKER_PAUSE_SECONDS = 0.5
PARTING_SECONDS = 3.0
"""How long a worker that is shut down waits for a broker that is away."""
TERM_AFTER_SECONDS, KILL_AFTER_SECONDS = 4.0, 7.0
"""After the child was asked to stop. Together with RENEW_SECONDS, less than the 10 seconds that a user waits."""
_LAST_READS = 1000

Answer = TypeVar("Answer")
log = logging.getLogger("duet.jobs")


class Holder(Protocol):
    """The part of the job store that keeps a claim."""

    def renew(self, job_id: str, token: int, lease_seconds: float) -> ClaimStatus:
        """Keep the job for some time more."""


class Attempt:
    """One claim on a job and the child that works on it.

    Args:
        store: of the jobs.
        job_id: of the job.
        token: of the claim.
        child: doing the job.
        forwarder: of the child's events.
        stopping: set when the worker is to be shut down.
        lease_seconds: how long the claim outlives this worker.
        job_seconds: how long the attempt may take.
    """

    def __init__(
        self,
        store: Holder,
        job_id: str,
        token: int,
        child: Child,
        forwarder: EventForwarder,
        *,
        stopping: threading.Event,
        lease_seconds: float,
        job_seconds: float,
    ) -> None:
        self._store = store
        self._job_id = job_id
        self._token = token
        self._child = child
        self._forwarder = forwarder
        self._stopping = stopping
        self._lease_seconds = lease_seconds
        self._due = time.monotonic() + job_seconds
        self._renew_at = self._retry_at = 0.0
        self._stop_at = 0.0
        self._said: list[str] = []
        self.stopped: StopReason | None = None

    def watch(self) -> None:
        """Until the child has ended; nothing of its process group is left then, and all that it told was read."""
        while not self._child.has_ended():
            self._listen()
            if time.monotonic() >= self._retry_at:
                self._with_broker(self._forwarder.flush)
                self._with_broker(self._look_at_claim)
            self._look_at_clock()
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
                log.warning("job %s goes on without the broker: %s", self._job_id, error)
            self._retry_at = time.monotonic() + BROKER_PAUSE_SECONDS
        except LostClaimError:
            self._stop("lost")
        else:
            self._retry_at = 0.0

    def _look_at_claim(self) -> None:
        now = time.monotonic()
        if now < self._renew_at:
            return
        match self._store.renew(self._job_id, self._token, self._lease_seconds):
            case "cancel_requested":
                self._stop("cancelled")
            case "lost":
                self._stop("lost")
            case "held":
                pass
        self._renew_at = now + min(RENEW_SECONDS, self._lease_seconds / 3)

    def _look_at_clock(self) -> None:
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
        """Ask, then insist: what is said next depends on how long ago the stop was called for."""
        if self.stopped is None:
            return
        waited = time.monotonic() - self._stop_at
        if self.stopped == "lost" or waited >= KILL_AFTER_SECONDS:
            self._child.signal(signal.SIGKILL)
        elif waited >= TERM_AFTER_SECONDS:
            self._once("term", lambda: self._child.signal(signal.SIGTERM))
        else:
            self._once("cancel", lambda: self._child.tell(Cancel()))

    def _once(self, name: str, action: Callable[[], None]) -> None:
        if name not in self._said:
            self._said.append(name)
            action()


def retry_until_available(action: Callable[[], Answer], stopping: threading.Event) -> Answer:
    """Do something with the broker, as often as it takes until that is there.

    Raises:
        BrokerUnavailableError: the worker is shut down, and the broker has been away for some seconds.
    """
    give_up: float | None = None
    while True:
        try:
            return action()
        except BrokerUnavailableError:
            if stopping.is_set():
                give_up = give_up or time.monotonic() + PARTING_SECONDS
                if time.monotonic() > give_up:
                    raise
            time.sleep(BROKER_PAUSE_SECONDS)
