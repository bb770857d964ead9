"""Job runner: claim -> check disk -> watch the child process -> promote -> record the outcome."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from typing import TypeVar

from pydantic import JsonValue

from core.errors import BrokerUnavailableError, DuetError, LostClaimError
from core.files.home import MIB, ensure_home, require_space
from core.gate.promotion import promote_on_evidence
from core.gate.report import GateThresholds
from core.jobs.events import Note, NotPromoted, Promoted
from core.jobs.parameters import TrainParameters
from core.jobs.records import JobFailure, JobRecord
from core.repository.repository import ModelRepository
from core.tracing.tracer import Tracer
from service.jobs.spans import end_attempt_span, start_attempt_span
from service.jobs.store.store import Claim, JobStore
from service.jobs.worker.attempt import JOB_SECONDS, Attempt, StopReason, retry_until_available
from service.jobs.worker.event_forwarder import EventForwarder
from service.jobs.worker.launch import launch
from service.settings import Settings

DONE, FAILED = 0, 1
"""Exit statuses of a job's process: success, and a failure that it reported."""
STOPPED = frozenset({3, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP})
"""Exit statuses of a process that was asked to stop; 3 if it stopped in order."""
Result = TypeVar("Result")
Promote = Callable[[TrainParameters, str, JobRecord], Promoted | NotPromoted]
"""Applies the gate to the published version with this reference."""

log = logging.getLogger("duet.jobs")


class JobRunner:
    """Runs the jobs of a worker, each in the thread that calls `run`.

    Args:
        send: wakes a worker for a requeued job.
        promote: applies the gate to published versions.
        tracer: records spans of the attempts; None for none.
    """

    def __init__(
        self,
        store: JobStore,
        send: Callable[[JobRecord], object],
        promote: Promote,
        settings: Settings,
        *,
        worker: str,
        tracer: Tracer | None = None,
    ) -> None:
        self._store = store
        self._send = send
        self._promote = promote
        self._settings = settings
        self._worker = worker
        self._tracer = tracer
        self._running: list[str] = []
        self.stopping = threading.Event()
        """Set at shutdown: all children stop at a checkpoint and their jobs are queued again."""

    @property
    def running(self) -> tuple[str, ...]:
        """Ids of the running jobs."""
        return tuple(self._running)

    def run(self, job_id: str) -> None:
        """Run a queued job until it ends or its claim is lost; skip it if it is already claimed or finished."""
        if self.stopping.is_set():
            return  # the job stays queued, and the reaper resends its message
        try:
            claim = self._store.claim(job_id, worker=self._worker, lease_seconds=self._settings.job_lease_seconds)
            if claim is None:
                log.info("job %s is already claimed or finished, skipping", job_id)
                return
            self._running.append(job_id)
            try:
                self._run_claimed(claim)
            finally:
                self._running.remove(job_id)
        except LostClaimError as error:
            log.warning("%s", error)
        except BrokerUnavailableError as error:
            log.error(
                "job %s is abandoned, because the broker is unavailable; a worker resumes it later: %s", job_id, error
            )

    def _run_claimed(self, claim: Claim) -> None:
        span = None if self._tracer is None else start_attempt_span(self._tracer, claim.record)
        traceparent = claim.record.traceparent if span is None else span.traceparent
        try:
            require_space(
                ensure_home(self._settings.home),
                self._settings.job_free_mib * MIB,
                what="a job",
                advice="free some space and retry the job, or lower DUET_JOB_FREE_MIB",
            )
            child = launch(self._settings, claim.record, self._worker, traceparent)
        except (DuetError, OSError) as error:
            failure = JobFailure(type=type(error).__name__, message=f"the job could not be started: {error}")
            if span is not None:
                span.end(error=failure.type)
            self._until_available(lambda: self._store.finish(claim.record.id, claim.token, "failed", error=failure))
            return
        forwarder = EventForwarder(self._store, claim.record.id, claim.token, child.send)
        attempt = Attempt(self._store, claim, child, forwarder, self._settings, self.stopping)
        try:
            attempt.watch()
        finally:
            status = child.close()
            if span is not None:
                failed = None if forwarder.failed is None else forwarder.failed.error
                end_attempt_span(span, status, attempt.stopped, failed)
        log.info(
            "the process of job %s ended with status %d (%s)", claim.record.id, status, attempt.stopped or "by itself"
        )
        if attempt.stopped != "lost":
            self._until_available(forwarder.flush)
            self._record_outcome(claim, forwarder, status, attempt.stopped)

    def _record_outcome(self, claim: Claim, forwarder: EventForwarder, status: int, stopped: StopReason | None) -> None:
        job_id, token = claim.record.id, claim.token
        result = None if forwarder.result is None else forwarder.result.result
        failure: JobFailure | None = None
        if status == DONE and stopped != "cancelled":
            outcome = {**(result or {}), **self._promote_published(claim, forwarder)} or None
            self._until_available(lambda: self._store.finish(job_id, token, "succeeded", result=outcome))
        elif stopped == "cancelled" or (forwarder.refused and status != FAILED):
            # The version may be published, if the cancellation came too late: a retry then only promotes it.
            self._until_available(lambda: self._store.finish(job_id, token, "cancelled", result=result))
        elif status == FAILED and forwarder.failed is not None:
            failure = JobFailure(type=forwarder.failed.error, message=forwarder.failed.message)
        elif stopped == "time":
            failure = JobFailure(
                type="TimeLimitError",
                message=f"stopped after {JOB_SECONDS / 3600:.3g} hours, the time limit of an attempt; the last "
                "checkpoint is kept: retry the job to resume from it",
            )
        elif stopped == "shutdown":
            reason = f"worker {self._worker} was shut down"
            self._queue_again(lambda: self._store.interrupt(job_id, token, reason, "shutdown"))
        elif status in STOPPED:
            # A service manager may stop all processes of the service at once, and the worker notices later.
            reason = "the job's process was asked to stop by a signal from outside"
            self._queue_again(lambda: self._store.interrupt(job_id, token, reason, "lost_worker"))
        else:
            self._queue_again(lambda: self._store.interrupt(job_id, token, _describe_end(status)))
        if failure is not None:
            self._until_available(lambda: self._store.finish(job_id, token, "failed", error=failure))

    def _promote_published(self, claim: Claim, forwarder: EventForwarder) -> dict[str, JsonValue]:
        """Apply the promotion policy to the published version, if this attempt still holds the job.

        Returns:
            `promoted` for the record's result; empty if nothing was decided.
        """
        parameters = claim.record.typed_parameters()
        if forwarder.published is None or not isinstance(parameters, TrainParameters):
            return {}
        if not self._until_available(lambda: self._store.permit(claim.record.id, claim.token, "publish")):
            return {}
        try:
            decision = self._promote(parameters, forwarder.published.reference, claim.record)
        except DuetError as error:
            forwarder.add(Note(text=f"{forwarder.published.reference} was published but not promoted: {error}"))
            promoted = False
        else:
            forwarder.add(decision)
            promoted = isinstance(decision, Promoted)
        self._until_available(forwarder.flush)
        return {"promoted": promoted}

    def _queue_again(self, action: Callable[[], JobRecord]) -> None:
        record = self._until_available(action)
        if record.state == "queued":
            self._send(record)

    def _until_available(self, action: Callable[[], Result]) -> Result:
        return retry_until_available(action, self.stopping)


def promote_published(
    repository: ModelRepository,
    thresholds: GateThresholds,
    parameters: TrainParameters,
    reference: str,
    record: JobRecord,
) -> Promoted | NotPromoted:
    """Apply the gate to the version `reference` that a job published; the returned event has the gate's report.

    Raises:
        RepositoryError: the version or the aliases cannot be read, or the disk is full.
    """
    family, version = repository.resolve(reference)
    decision = promote_on_evidence(
        repository,
        family,
        version,
        policy=parameters.promote,
        thresholds=thresholds,
        actor=f"job {record.id}",
        reason=f"trained with promote={parameters.promote}",
    )
    report = decision.report.model_dump(mode="json")
    # An earlier attempt may have promoted the version already.
    promoted = decision.promotion is not None or repository.champion(family) == version
    return Promoted(report=report) if promoted else NotPromoted(report=report)


def _describe_end(status: int) -> str:
    if status == -signal.SIGKILL:
        return "the job's process was killed by SIGKILL, probably because the machine ran out of memory"
    if status < 0:
        return f"the job's process was killed by {signal.Signals(-status).name}"
    return f"the job's process ended with status {status} without reporting an error: see the job's log"
