"""What the API does with jobs: records them, reads them, and sends them on their way."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from core.errors import JobError
from core.jobs.parameters import EvaluateParameters, JobKind, JobParameters, TrainParameters
from core.jobs.records import JobRecord
from core.repository.repository import ModelRepository
from service.errors import DeadlineExceededError, TrainingNotReadyError, job_problem
from service.jobs.dispatch import Dispatcher, LateDispatcher
from service.jobs.event_feed import EventFeed
from service.jobs.maintenance.loop import run_maintenance
from service.jobs.maintenance.reaper import Reaper
from service.jobs.maintenance.retention import Retention
from service.jobs.store.heartbeats import Heartbeats
from service.jobs.store.idempotency import IdempotencyKeys
from service.jobs.store.redis_client import connect_async
from service.jobs.store.store import JobStore
from service.observability.logging import RequestContext
from service.settings import Settings

Answer = TypeVar("Answer")
_THREADS = 16
_LAST_ROUND_SECONDS = 5.0


@dataclass(frozen=True)
class JobService:
    """The broker as the routes use it.

    Its answers are waited for in threads of their own number, so that one that hangs takes none from other routes.
    """

    store: JobStore
    idempotency: IdempotencyKeys
    dispatcher: Dispatcher
    heartbeats: Heartbeats
    feed: EventFeed
    limiter: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(_THREADS))

    async def call(self, call: Callable[[], Answer], deadline: float) -> Answer:
        """The result of `call`, which uses the broker and blocks.

        Args:
            call: may go on in its thread when it is no longer waited for.
            deadline: on the clock of `time.perf_counter`.

        Raises:
            ProblemError: what errors of jobs are in HTTP.
            DeadlineExceededError: there is no answer by then.
        """
        try:
            async with asyncio.timeout(deadline - time.perf_counter()):
                return await to_thread.run_sync(call, abandon_on_cancel=True, limiter=self.limiter)
        except TimeoutError:
            raise DeadlineExceededError("the broker that keeps the jobs gave no answer in time") from None
        except JobError as error:
            raise job_problem(error) from error

    def submit(
        self,
        parameters: JobParameters,
        context: RequestContext,
        *,
        idempotency_key: str | None,
        check: Callable[[], None],
    ) -> JobRecord:
        """Record a job, then wake a worker for it; where the message fails, the reaper sends it later.

        Args:
            parameters: of the job.
            context: of the request that asks for it.
            idempotency_key: with one that has a job already, that job is returned.
            check: raises where a new job could not run; what it raises is raised here.

        Raises:
            JobError: of the store or of the key.
            TrainingNotReadyError: workers are alive, and none can run such a job.
        """
        kind = kind_of(parameters)
        reserved = self.idempotency.reserve(idempotency_key, kind, parameters) if idempotency_key else nullcontext()
        with reserved as reservation:
            if reservation is not None and reservation.job_id is not None:
                return self.store.get(reservation.job_id)
            check()
            self._check_workers(kind)
            record = self.store.create(
                kind, parameters, request_id=context.id, traceparent=context.traceparent, reservation=reservation
            )
        self.dispatcher.send(record)
        return record

    def retry(self, job_id: str) -> JobRecord:
        """Queue a job again, and wake a worker for it. Raises as `submit` does, and where it cannot be tried again."""
        self._check_workers(self.store.get(job_id).kind)
        record = self.store.retry(job_id)
        self.dispatcher.send(record)
        return record

    def _check_workers(self, kind: JobKind) -> None:
        """Refuse what no living worker can run; with none alive the job waits, and may find one that can."""
        readiness = [worker.training for worker in self.heartbeats.all() if kind in worker.queues]
        if readiness and not any(each.ready for each in readiness):
            earliest = min(readiness, key=lambda each: each.since)
            raise TrainingNotReadyError(earliest.reason or "it does not say why", earliest.since)


def kind_of(parameters: JobParameters) -> JobKind:
    """The kind of job that has such parameters."""
    match parameters:
        case TrainParameters():
            return "train"
        case EvaluateParameters():
            return "evaluate"


@asynccontextmanager
async def open_job_service(
    settings: Settings, repository: ModelRepository, is_closing: Callable[[], bool]
) -> AsyncIterator[JobService | None]:
    """The desk over the broker that the settings name, None where they name none; needs no broker that runs yet.

    While it is open, this process takes its turn at looking after the jobs. `is_closing` says that the process is about
    to end, and that nobody should be kept listening to events.
    """
    if settings.redis_url is None:
        yield None
        return
    url = settings.redis_url.get_secret_value()
    store = JobStore.open(url, events_kept=settings.job_events_kept)
    feed = EventFeed(connect_async(url), is_closing=is_closing)
    dispatcher = LateDispatcher(url)
    job_service = JobService(
        store=store,
        idempotency=IdempotencyKeys(store.client, retention_seconds=settings.idempotency_hours * 3600),
        dispatcher=dispatcher,
        heartbeats=Heartbeats(store.client),
        feed=feed,
    )
    stop = threading.Event()
    reaper, retention = Reaper(store, dispatcher), Retention(store, repository, settings)
    upkeep = threading.Thread(target=run_maintenance, args=(reaper, retention, stop), name="jobs", daemon=True)
    upkeep.start()
    try:
        yield job_service
    finally:
        stop.set()
        await asyncio.to_thread(upkeep.join, _LAST_ROUND_SECONDS)
        await feed.close()
        store.client.close()
