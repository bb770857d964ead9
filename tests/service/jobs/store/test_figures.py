from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from core.errors import BrokerUnavailableError
from core.jobs.parameters import JobKind
from service.jobs.store.figures import MAX_ENTRIES, JobFiguresScript
from service.jobs.store.heartbeats import Heartbeats, Readiness, WorkerReport
from service.jobs.store.keys import COUNTS, LEASES, QUEUED, WORKERS, job_key
from service.jobs.store.store import JobStore
from service.observability.job_metrics import FINAL, KINDS, JobFigures, WorkerFigures
from tests.support.broker import Broker
from tests.support.jobs import claimed, run_out, running, submit


@pytest.fixture
def script(store: JobStore) -> JobFiguresScript:
    return JobFiguresScript(store.client)


def worker(name: str, *queues: JobKind, ready: bool = True, running: tuple[str, ...] = ()) -> WorkerReport:
    training = Readiness(ready=ready, reason=None, since=datetime(2026, 1, 2, tzinfo=UTC))
    return WorkerReport(name=name, host="a", pid=1, queues=queues, jobs=3, running=running, training=training)


def ended(found: JobFigures) -> dict[tuple[str, str], int]:
    return {key: count for key, count in found.ended.items() if count}


def age(store: JobStore, job_id: str, field: str, seconds: float) -> None:
    """Move a time of the job into the past."""
    now: Any = store.client.hget(job_key(job_id), field)
    store.client.hset(job_key(job_id), field, str(int(now) - round(seconds * 1000)))


def test_empty_broker_has_no_jobs(script: JobFiguresScript) -> None:
    found = script.read()
    assert (found.queued, found.running, found.workers) == ({}, {}, ())
    assert set(found.ended) == {(kind, state) for kind in KINDS for state in FINAL}
    assert not any(found.ended.values())
    assert found.broker_memory is not None
    assert found.broker_memory > 100_000
    assert found.response_seconds > 0


def test_jobs_are_counted_by_kind_and_state(store: JobStore, script: JobFiguresScript) -> None:
    for kind in ("train", "train", "evaluate"):
        submit(store, kind)
    running(store)
    assert store.request_cancel(running(store).record.id).state == "cancelling"
    found = script.read()
    assert found.queued == {"train": 2, "evaluate": 1}
    assert found.running == {"train": 2}


def test_oldest_queued_job_is_aged_from_its_last_queuing(store: JobStore, script: JobFiguresScript) -> None:
    old, new = submit(store).id, submit(store).id
    age(store, old, "queued_at", 100)
    age(store, new, "queued_at", 40)
    assert 100 <= script.read().oldest_queued_seconds["train"] < 130
    claim = claimed(store, old)
    assert 40 <= script.read().oldest_queued_seconds["train"] < 70
    store.interrupt(old, claim.token, "stopped", "shutdown")
    assert 40 <= script.read().oldest_queued_seconds["train"] < 70


def test_resent_message_does_not_renew_the_age(store: JobStore, script: JobFiguresScript) -> None:
    job = submit(store).id
    age(store, job, "queued_at", 100)
    store.client.zadd(QUEUED, {job: 9e15}, xx=True)
    assert script.read().oldest_queued_seconds["train"] >= 100


def test_job_queued_by_an_older_release_is_aged_from_its_creation(store: JobStore, script: JobFiguresScript) -> None:
    job = submit(store).id
    store.client.hdel(job_key(job), "queued_at")
    age(store, job, "created_at", 50)
    assert script.read().oldest_queued_seconds["train"] >= 50


def test_expired_lease_is_overdue(store: JobStore, script: JobFiguresScript) -> None:
    claim = running(store, lease_seconds=60)
    assert script.read().overdue_seconds == {"train": 0}
    run_out(store, claim.record.id)
    assert script.read().overdue_seconds["train"] > 1000


def test_ends_are_counted_once_and_survive_retention(store: JobStore, script: JobFiguresScript) -> None:
    done = running(store)
    for _ in range(2):  # resent after a lost response
        store.finish(done.record.id, done.token, "succeeded", result={})
    failed = running(store)
    store.finish(failed.record.id, failed.token, "failed")
    store.request_cancel(submit(store, "evaluate").id)
    expected = {("train", "succeeded"): 1, ("train", "failed"): 1, ("evaluate", "cancelled"): 1}
    assert ended(script.read()) == expected
    assert store.forget(done.record.id, ended_before_seconds=0)
    assert ended(script.read()) == expected


def test_job_that_lost_every_worker_counts_as_failed(store: JobStore, script: JobFiguresScript) -> None:
    job = submit(store).id
    for _ in range(2):
        store.interrupt(job, claimed(store, job).token, "crashed")
    assert store.get(job).state == "failed"
    assert ended(script.read()) == {("train", "failed"): 1}


def test_retried_job_is_counted_at_each_end(store: JobStore, script: JobFiguresScript) -> None:
    first = running(store)
    store.finish(first.record.id, first.token, "failed")
    store.retry(first.record.id)
    again = claimed(store, first.record.id)
    store.finish(first.record.id, again.token, "succeeded")
    assert ended(script.read()) == {("train", "failed"): 1, ("train", "succeeded"): 1}


@pytest.mark.parametrize(("seconds", "bucket"), [(0.0, 0), (3.5, 1), (100.0, 4), (4000.0, 6), (1e7, 12)])
def test_durations_are_counted_in_buckets(
    store: JobStore, script: JobFiguresScript, seconds: float, bucket: int
) -> None:
    claim = running(store)
    age(store, claim.record.id, "claimed_at", seconds)
    store.finish(claim.record.id, claim.token, "succeeded")
    found = script.read()
    assert found.durations == {("train", bucket): 1}
    assert seconds <= found.duration_seconds["train"] < seconds + 0.4


def test_clock_step_of_the_broker_gives_no_negative_duration(store: JobStore, script: JobFiguresScript) -> None:
    claim = running(store)
    age(store, claim.record.id, "claimed_at", -1000)
    store.finish(claim.record.id, claim.token, "succeeded")
    assert script.read().durations == {("train", 0): 1}
    assert script.read().duration_seconds["train"] == 0


def test_job_cancelled_in_the_queue_has_no_duration(store: JobStore, script: JobFiguresScript) -> None:
    claim = running(store)
    store.interrupt(claim.record.id, claim.token, "stopped", "shutdown")
    assert store.request_cancel(claim.record.id).state == "cancelled"
    assert script.read().durations == {}


def test_workers_are_listed_with_the_age_of_their_heartbeat(store: JobStore, script: JobFiguresScript) -> None:
    beats = Heartbeats(store.client)
    beats.beat(worker("a", "train", "batch", running=("x", "y")))
    beats.beat(worker("b", "evaluate", ready=False))
    beats.beat(worker("dead"))
    store.client.delete("duet:worker:dead")
    store.client.zincrby(WORKERS, -60_000, "dead")
    found = {each.name: each for each in script.read().workers}
    assert {name: each.heartbeat_age_seconds >= 60 for name, each in found.items()} == {
        "a": False,
        "b": False,
        "dead": True,
    }
    assert (found["a"].kinds, found["a"].ready, found["a"].slots, found["a"].running) == (
        ("train", "batch"),
        True,
        3,
        2,
    )
    assert (found["b"].kinds, found["b"].ready) == (("evaluate",), False)
    assert found["dead"] == WorkerFigures("dead", found["dead"].heartbeat_age_seconds)


def test_read_is_bounded(store: JobStore, script: JobFiguresScript) -> None:
    jobs = {f"{number:032x}": number + 1 for number in range(MAX_ENTRIES + 7)}
    with store.client.pipeline() as pipeline:
        for job in jobs:
            pipeline.hset(job_key(job), mapping={"kind": "train", "queued_at": 1})
        pipeline.zadd(QUEUED, jobs)
        pipeline.zadd(LEASES, jobs)
        pipeline.execute()
    found = script.read()
    assert (found.queued["train"], found.running["train"]) == (MAX_ENTRIES, MAX_ENTRIES)


def test_counter_of_an_unknown_kind_is_ignored(store: JobStore, script: JobFiguresScript) -> None:
    store.client.hset(COUNTS, mapping={"bucket:later:3": 5, "ended:later:failed": 1, "something": 2})
    found = script.read()
    assert (found.durations, ended(found)) == ({}, {})


def test_figures_without_a_broker_raise(mortal_broker: Broker) -> None:
    script = JobFiguresScript(JobStore.open(mortal_broker.url).client)
    mortal_broker.kill()
    with pytest.raises(BrokerUnavailableError):
        script.read()
