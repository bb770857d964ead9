"""Celery app shared by the API, which sends messages, and the workers, which consume them.

Celery only wakes workers. A message contains a job id and nothing else; the record has the state, and a claim on the
record decides which worker runs the job. A duplicate message is therefore harmless, and the reaper resends a lost one.
Messages are acknowledged before the job runs, and there is no result backend. A worker leaves messages that it cannot
start immediately in the queue (Celery 5.7 supports this for Redis only, with any pool that knows its size).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from celery import Celery
from celery.concurrency.thread import ApplyResult, TaskPool
from kombu.asynchronous import get_event_loop
from kombu.entity import Queue

from service.broker.url import kombu_tls, kombu_url
from service.jobs.store.keys import CELERY_PREFIX, QUEUES
from service.jobs.store.redis_client import CONNECT_TIMEOUT_S, RESPONSE_TIMEOUT_S


class WakingPool(TaskPool):  # type: ignore[misc]  # Celery is not typed
    """Celery's thread pool, extended so that the end of a task wakes the worker's event loop.

    A worker whose threads are all busy requests no messages (`worker_disable_prefetch`), and its loop sleeps. In
    Celery's own pool the end of a task does not wake the loop, so the next message would wait for the next timer, up to
    1 s (kombu 5.7).
    """

    def on_apply(
        self, target: Any, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **more: Any
    ) -> ApplyResult:
        """Run a task in a thread; wakes the loop when the task is done."""
        applied = super().on_apply(target, args, kwargs, **more)
        loop = get_event_loop()
        if loop is not None:  # None on Windows, where Celery polls
            # Each iteration of the loop requests as many messages as can start.
            applied.f.add_done_callback(lambda _: loop.call_soon(lambda: None))
        return applied


WORKER_OPTIONS: Mapping[str, Any] = {
    # Each thread only watches a child process; forking a pool would copy this process's threads.
    "pool": WakingPool,
    "without_gossip": True,  # workers need no knowledge of each other: the claim decides
    "without_mingle": True,
    "without_heartbeat": True,
}
"""Options of `Celery.Worker` other than queues and concurrency."""


def make_celery(url: str) -> Celery:
    """Create the app for the broker at `url`; it connects on first use."""
    app = Celery("duet", broker=kombu_url(url), set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_queues=[Queue(name) for name in QUEUES],
        task_default_queue=QUEUES[0],
        task_create_missing_queues=False,
        # The record has the results.
        result_backend="disabled",
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        # Acknowledge when a thread starts the task, so that no visibility timeout redelivers a long job.
        task_acks_late=False,
        worker_disable_prefetch=True,
        worker_prefetch_multiplier=1,
        # Reconnect to a lost broker forever, with unchanged concurrency.
        broker_connection_retry=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,
        worker_enable_prefetch_count_reduction=False,
        worker_cancel_long_running_tasks_on_connection_loss=True,  # affects unacknowledged tasks only; there are none
        # Jobs are cancelled through their records, never by broadcasts to workers.
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_use_ssl=kombu_tls(url),
        broker_connection_timeout=CONNECT_TIMEOUT_S,
        broker_transport_options={
            "global_keyprefix": CELERY_PREFIX,
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            "socket_timeout": RESPONSE_TIMEOUT_S,
            # Fail fast when the broker is unavailable; by default kombu keeps retrying.
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0.1,
        },
    )
    return app
