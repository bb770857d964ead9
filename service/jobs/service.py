"""Job service of the API: submits, retries and reads jobs."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from core.images.labelled_folders import folder_of
from core.jobs.parameters import (
    BatchParameters,
    DownloadParameters,
    EvaluateParameters,
    JobKind,
    JobParameters,
    TrainParameters,
)
from core.jobs.records import JobRecord, JobState
from core.repository.repository import ModelRepository
from service.broker.url import configured_url
from service.errors import DatasetMissingError, DeadlineExceededError, TooManyQueuedJobsError, TrainingNotReadyError
from service.jobs.data_sets import has_cifar10
from service.jobs.dispatch import Dispatcher
from service.jobs.event_feed import EventFeed
from service.jobs.figures import JobFiguresReader
from service.jobs.maintenance.loop import run_maintenance
from service.jobs.maintenance.reaper import Reaper
from service.jobs.maintenance.retention import Retention
from service.jobs.store.heartbeats import Heartbeats
from service.jobs.store.idempotency import IdempotencyKeys
from service.jobs.store.indexes import JobQueues
from service.jobs.store.redis_client import connect_async
from service.jobs.store.store import JobStore
from service.jobs.validation import check_home
from service.observability.logging import RequestContext
from service.settings import Settings

Result = TypeVar("Result")
_THREADS = 16
MAX_QUEUED_JOBS = 200
"""Maximum number of queued jobs; at most half of them may come from one API key."""
IDEMPOTENCY_SECONDS = 24 * 3600.0
"""Time for which an Idempotency-Key is remembered after its job was created."""
_LAST_ROUND_SECONDS = 5.0
_LIVE: tuple[JobState, ...] = ("running", "queued")


@dataclass(frozen=True)
class JobService:
    """Access to jobs for the routes.

    Blocking calls run in a separate thread limit, so that a slow broker does not block other routes.
    """

    settings: Settings
    store: JobStore
    idempotency: IdempotencyKeys
    dispatcher: Dispatcher
    heartbeats: Heartbeats
    feed: EventFeed
    figures: JobFiguresReader
    check_home: Callable[[], None]
    limiter: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(_THREADS))

    async def call(self, call: Callable[[], Result], deadline: float) -> Result:
        """Run `call`, which uses the broker and blocks, in a thread.

        Args:
            call: continues in its thread after the deadline.
            deadline: in seconds on the clock of `time.perf_counter`.

        Raises:
            JobError: from `call`.
            DeadlineExceededError: `call` did not finish in time.
        """
        try:
            async with asyncio.timeout(deadline - time.perf_counter()):
                return await to_thread.run_sync(call, abandon_on_cancel=True, limiter=self.limiter)
        except TimeoutError:
            raise DeadlineExceededError("the job broker did not respond in time: try again later") from None

    def submit(
        self,
        parameters: JobParameters,
        context: RequestContext,
        *,
        key_id: str,
        idempotency_key: str | None,
        check: Callable[[], JobParameters],
    ) -> JobRecord:
        """Record a job, then wake a worker for it; if sending the message fails, the reaper sends it later.

        Args:
            parameters: of the job.
            context: of the request.
            key_id: id of the caller's API key, whose share of the queue is limited.
            idempotency_key: if it already has a job, that job is returned.
            check: raises if a new job could not run, and returns the parameters to record.

        Raises:
            JobError: from the store or the key.
            NotReadyError: DUET_HOME was removed or emptied.
            TrainingNotReadyError: workers are alive, but none can run such a job.
            TooManyQueuedJobsError: the queue is full, or the key's half of it.
        """
        kind = kind_of(parameters)
        reserved = self.idempotency.reserve(idempotency_key, kind, parameters) if idempotency_key else nullcontext()
        with reserved as reservation:
            if reservation is not None and reservation.job_id is not None:
                return self.store.get(reservation.job_id)
            self.check_home()
            checked = check()
            self._check_workers(kind)
            self._check_queue(key_id)
            record = self.store.create(
                kind,
                checked,
                request_id=context.id,
                traceparent=context.traceparent,
                key_id=key_id,
                reservation=reservation,
            )
        self.dispatcher.send(record)
        return record

    def retry(self, job_id: str, *, key_id: str) -> JobRecord:
        """Queue a job again and wake a worker. Raises as `submit` and `require_data`, and JobNotRetryableError."""
        self.check_home()
        job = self.store.get(job_id)
        if job.kind != "download":
            self.require_data(str(job.parameters["data"]))
        self._check_workers(job.kind)
        self._check_queue(key_id)
        record = self.store.retry(job_id)
        self.dispatcher.send(record)
        return record

    def require_data(self, data: str) -> None:
        """Check that the data set is there, if it is a built-in one.

        Raises:
            DatasetMissingError: it is not.
        """
        if folder_of(data) is None and not self.has_cifar10():
            raise DatasetMissingError(self.settings.root_path)

    def has_cifar10(self) -> bool:
        """Return whether this process or a live worker finds the files of CIFAR-10.

        They may be configured with different folders, and the report of a worker may be seconds old.
        """
        return has_cifar10(self.settings) or any(worker.cifar10 for worker in self.heartbeats.all())

    def download(self, context: RequestContext, *, key_id: str) -> JobRecord:
        """Return the download job that is queued or running, or submit one. Raises as `submit`."""
        for state in _LIVE:
            if found := self.store.list(kind="download", state=state, limit=1).records:
                return found[0]
        return self.submit(
            DownloadParameters(), context, key_id=key_id, idempotency_key=None, check=lambda: DownloadParameters()
        )

    def _check_queue(self, key_id: str) -> None:
        """Reject a job if the queue is full. Simultaneous requests may exceed the limit by a few jobs."""
        queued, own = JobQueues(self.store.client).queued(key_id)
        if queued >= MAX_QUEUED_JOBS:
            raise TooManyQueuedJobsError(queued, MAX_QUEUED_JOBS)
        if own >= MAX_QUEUED_JOBS // 2:
            raise TooManyQueuedJobsError(own, MAX_QUEUED_JOBS // 2, of_key=True)

    def _check_workers(self, kind: JobKind) -> None:
        """Reject a job that no live worker can run. Without live workers the job is queued."""
        readiness = [worker.training for worker in self.heartbeats.all() if kind in worker.queues]
        if readiness and not any(each.ready for each in readiness):
            earliest = min(readiness, key=lambda each: each.since)
            raise TrainingNotReadyError(earliest.reason or "the worker reported no reason", earliest.since)


def kind_of(parameters: JobParameters) -> JobKind:
    """Kind of job with these parameters."""
    match parameters:
        case TrainParameters():
            return "train"
        case EvaluateParameters():
            return "evaluate"
        case BatchParameters():
            return "batch"
        case DownloadParameters():
            return "download"


@asynccontextmanager
async def open_job_service(
    settings: Settings, repository: ModelRepository, is_closing: Callable[[], bool]
) -> AsyncIterator[JobService | None]:
    """Open the job service for the configured broker, which need not run yet; None if no broker is configured.

    While it is open, this process takes part in job maintenance. `is_closing` returns whether the process is shutting
    down; event streams then end.
    """
    url = configured_url(settings)
    if url is None:
        yield None
        return
    store = JobStore.open(url)
    feed = EventFeed(connect_async(url), is_closing=is_closing)
    dispatcher, figures = Dispatcher(url), JobFiguresReader(url)
    job_service = JobService(
        settings=settings,
        store=store,
        idempotency=IdempotencyKeys(store.client, retention_seconds=IDEMPOTENCY_SECONDS),
        dispatcher=dispatcher,
        heartbeats=Heartbeats(store.client),
        feed=feed,
        figures=figures,
        check_home=partial(check_home, settings),
    )
    stop = threading.Event()
    reaper, retention = Reaper(store, dispatcher), Retention(store, repository, settings)
    maintenance = threading.Thread(target=run_maintenance, args=(reaper, retention, stop), name="jobs", daemon=True)
    maintenance.start()
    try:
        yield job_service
    finally:
        stop.set()
        await asyncio.to_thread(maintenance.join, _LAST_ROUND_SECONDS)
        await feed.close()
        await figures.close()
        store.client.close()
