"""One job from its claim to its end, by way of a child process: claim -> check -> watch -> settle."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from pydantic import JsonValue

from core.errors import BrokerUnavailableError, DuetError, LostClaimError
from core.files.disk_space import MIB, require_space
from core.files.home import ensure_home
from core.jobs.events import Note, NotPromoted, Promoted
from core.jobs.parameters import TrainParameters
from core.jobs.records import JobFailure, JobRecord
from service.jobs.store.store import Claim, JobStore
from service.jobs.worker.attempt import Attempt, StopReason, retry_until_available
from service.jobs.worker.event_relay import EventForwarder
from service.jobs.worker.launch import launch
from service.settings import Settings

DONE, FAILED = 0, 1
"""How the process of a job ends when it did what it was to do, and when it told why it could not."""
Answer = TypeVar("Answer")
Promote = Callable[[TrainParameters, str, JobRecord], Promoted | NotPromoted]
"""Decides about the version with this reference that a job has published."""

log = logging.getLogger("duet.jobs")


class JobRunner:
    """Runs the jobs of a worker, each in the thread that calls `run`.

    Args:
        store: of the jobs.
        send: wakes a worker for a job that is queued again.
        promote: decides about versions that were published.
        settings: of the worker.
        worker: name of the worker.
    """

    def __init__(
        self,
        store: JobStore,
        send: Callable[[JobRecord], object],
        promote: Promote,
        settings: Settings,
        *,
        worker: str,
    ) -> None:
        self._store = store
        self._send = send
        self._promote = promote
        self._settings = settings
        self._worker = worker
        self._running: dict[str, int] = {}
        self.stopping = threading.Event()
        """Set to have all children stop at a checkpoint and their jobs given back."""

    @property
    def running(self) -> tuple[str, ...]:
        """Ids of the jobs that run now."""
        return tuple(self._running)

    def run(self, job_id: str) -> None:
        """Run a job unless another worker has it or it has ended; returns when it ended or is somebody else's."""
        if self.stopping.is_set():
            return  # it is still queued: the reaper sends it again
        try:
            claim = self._store.claim(job_id, worker=self._worker, lease_seconds=self._settings.job_lease_seconds)
            if claim is None:
                log.info("job %s is not to be had", job_id)
                return
            with self._shown(claim):
                self._work(claim)
        except LostClaimError as error:
            log.warning("%s", error)
        except BrokerUnavailableError as error:
            log.error("job %s is left to be resumed by whoever finds the broker back: %s", job_id, error)

    def _work(self, claim: Claim) -> None:
        try:
            self._check_disk()
            child = launch(self._settings, claim.record, self._worker)
        except (DuetError, OSError) as error:
            failure = JobFailure(type=type(error).__name__, message=f"the job could not be started: {error}")
            self._insist(lambda: self._store.finish(claim.record.id, claim.token, "failed", error=failure))
            return
        forwarder = EventForwarder(self._store, claim.record.id, claim.token, child.tell)
        attempt = Attempt(
            self._store,
            claim.record.id,
            claim.token,
            child,
            forwarder,
            stopping=self.stopping,
            lease_seconds=self._settings.job_lease_seconds,
            job_seconds=self._settings.job_seconds,
        )
        try:
            attempt.watch()
        finally:
            status = child.close()
        log.info("the process of job %s ended with %d (%s)", claim.record.id, status, attempt.stopped or "by itself")
        if attempt.stopped != "lost":
            self._insist(forwarder.flush)
            self._settle(claim, forwarder, status, attempt.stopped)

    def _check_disk(self) -> None:
        """Refuse to begin what would fail hours later.

        Raises:
            LowDiskError: too little is free.
        """
        require_space(
            ensure_home(self._settings.home),
            self._settings.job_free_mib * MIB,
            what="a job",
            advice="free some space and retry the job, or lower DUET_JOB_FREE_MIB",
        )

    def _settle(self, claim: Claim, forwarder: EventForwarder, status: int, stopped: StopReason | None) -> None:
        """Say in the record how the attempt ended."""
        job_id, token = claim.record.id, claim.token
        result = None if forwarder.result is None else forwarder.result.result
        failure: JobFailure | None = None
        if status == DONE and stopped != "cancelled":
            outcome = {**(result or {}), **self._decide(claim, forwarder)} or None
            self._insist(lambda: self._store.finish(job_id, token, "succeeded", result=outcome))
        elif stopped == "cancelled" or (forwarder.refused and status != FAILED):
            # Published all the same, if the cancellation came too late: a retry then only has to promote.
            self._insist(lambda: self._store.finish(job_id, token, "cancelled", result=result))
        elif status == FAILED and forwarder.failed is not None:
            failure = JobFailure(type=forwarder.failed.error, message=forwarder.failed.message)
        elif stopped == "time":
            hours = self._settings.job_seconds / 3600
            failure = JobFailure(
                type="TimeLimitError",
                message=f"stopped after {hours:.3g} hours, the most that DUET_JOB_SECONDS allows; its last checkpoint "
                "is kept: raise the limit and retry the job to go on from there",
            )
        elif stopped == "shutdown":
            self._queue_again(lambda: self._store.give_back(job_id, token, f"worker {self._worker} was shut down"))
        else:
            self._queue_again(lambda: self._store.interrupt(job_id, token, _how_it_ended(status)))
        if failure is not None:
            self._insist(lambda: self._store.finish(job_id, token, "failed", error=failure))

    def _decide(self, claim: Claim, forwarder: EventForwarder) -> dict[str, JsonValue]:
        """Promote what a training published, as its parameters say and as long as this attempt still has the job.

        Returns:
            What the record's result says of it besides: whether the version was promoted, where that was decided.
        """
        parameters = claim.record.typed_parameters()
        if forwarder.published is None or not isinstance(parameters, TrainParameters):
            return {}
        if not self._insist(lambda: self._store.permit(claim.record.id, claim.token, "publish")):
            return {}
        try:
            decision = self._promote(parameters, forwarder.published.reference, claim.record)
        except DuetError as error:
            forwarder.add(Note(text=f"{forwarder.published.reference} was published and not promoted: {error}"))
            promoted = False
        else:
            forwarder.add(decision)
            promoted = isinstance(decision, Promoted)
        self._insist(forwarder.flush)
        return {"promoted": promoted}

    def _queue_again(self, action: Callable[[], JobRecord]) -> None:
        record = self._insist(action)
        if record.state == "queued":
            self._send(record)

    def _insist(self, action: Callable[[], Answer]) -> Answer:
        return retry_until_available(action, self.stopping)

    @contextmanager
    def _shown(self, claim: Claim) -> Iterator[None]:
        self._running[claim.record.id] = claim.token
        try:
            yield
        finally:
            del self._running[claim.record.id]


def _how_it_ended(status: int) -> str:
    if status == -signal.SIGKILL:
        return "the job's process was killed (SIGKILL; the system does that when memory runs out)"
    if status < 0:
        return f"the job's process was ended by {signal.Signals(-status).name}"
    return f"the job's process ended with status {status} and no word"
