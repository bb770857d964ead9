"""The Celery app that both sides of the queues share: the API sends, workers consume.

Celery only wakes workers: a message holds the id of a job and nothing else, what is true stands in the record, and a
claim there decides who runs it. A message too many is therefore harmless, and one that is lost is sent again by the
reaper. So messages are acknowledged before the job runs, there is no result backend, and what a worker cannot start at
once stays in its queue for another (Celery 5.7 does that for Redis alone, with any pool that knows its size).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from celery import Celery
from kombu.entity import Queue

from service.jobs.store.keys import CELERY_PREFIX, QUEUES
from service.jobs.store.redis_client import ANSWER_TIMEOUT_S, CONNECT_TIMEOUT_S, celery_url

WORKER_OPTIONS: Mapping[str, Any] = MappingProxyType(
    {
        # Each thread only watches a child process; forking a pool would copy this process's threads.
        "pool": "service.jobs.worker.pool:WakingPool",
        "without_gossip": True,  # workers need not know of each other: the claim decides
        "without_mingle": True,
        "without_heartbeat": True,
    }
)
"""What `Celery.Worker` is to be given besides its queues and its concurrency."""


def make_celery(url: str) -> Celery:
    """An app over the broker at `url`; connects when first used."""
    app = Celery("duet", broker=celery_url(url), set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_queues=[Queue(name) for name in QUEUES],
        task_default_queue=QUEUES[0],
        task_create_missing_queues=False,
        # Nobody reads results: the record has them.
        result_backend="disabled",
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        # Acknowledged when a thread takes it up: no visibility timeout can make a long job come a second time.
        task_acks_late=False,
        worker_disable_prefetch=True,
        worker_prefetch_multiplier=1,
        # A broker that goes away is waited for as long as it takes, with the same number of jobs at a time as before.
        broker_connection_retry=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,
        worker_enable_prefetch_count_reduction=False,
        worker_cancel_long_running_tasks_on_connection_loss=True,  # unacknowledged ones, of which there are none
        # Jobs are cancelled through their records; broadcasts to workers could only end the wrong one.
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_timeout=CONNECT_TIMEOUT_S,
        broker_transport_options={
            "global_keyprefix": CELERY_PREFIX,
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            "socket_timeout": ANSWER_TIMEOUT_S,
            # A sender is told at once that the broker is away; by default kombu would go on trying.
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0.1,
        },
    )
    return app
