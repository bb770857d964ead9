from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from pydantic import JsonValue

from core.errors import JobFinishedError, JobNotFoundError
from core.jobs.events import FitStarted, Stage
from core.jobs.parameters import EvaluateParameters, TrainParameters
from core.jobs.records import FinalState, JobFailure
from service.jobs.store.keys import events_key
from service.jobs.store.store import JobStore
from tests.support.broker import Broker
from tests.support.jobs import (
    PARAMETERS,
    claimed,
    entries,
    epoch,
    names,
    notes,
    progress,
    run_out,
    running,
    stored,
    submit,
)

ENDS: tuple[FinalState, ...] = get_args(FinalState)


def test_create_records_a_queued_job(store: JobStore) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    created = store.create("train", PARAMETERS, request_id="request-9", traceparent="00-ab-cd-01")
    assert store.get(created.id) == created
    assert (created.kind, created.state, created.attempt, created.token) == ("train", "queued", 0, None)
    assert created.typed_parameters() == PARAMETERS
    assert (created.request_id, created.traceparent) == ("request-9", "00-ab-cd-01")
    assert before < created.created_at < datetime.now(UTC) + timedelta(seconds=1)
    assert (created.claimed_at, created.finished_at, created.worker) == (None, None, None)
    assert (created.progress, created.result, created.error) == (None, None, None)
    assert names(store, created.id) == ["submitted"]


def test_parameters_of_both_kinds_are_restored(store: JobStore) -> None:
    train = TrainParameters(recipe="mlp_baseline", overrides={"network.hidden": [8], "optimization.learning_rate": 0.1})
    evaluate = EvaluateParameters(versions=("cnn@3",), data="folder:pets")
    one = store.create("train", train, request_id="r", traceparent=None)
    other = store.create("evaluate", evaluate, request_id="r", traceparent=None)
    assert store.get(one.id).typed_parameters() == train
    assert store.get(other.id).typed_parameters() == evaluate
    assert store.get(other.id).traceparent is None


@pytest.mark.parametrize("job_id", ["0" * 32, "", "x", "../../etc/passwd", "*", "0" * 31 + "\n", "A" * 32])
def test_unknown_id_is_an_error_in_every_method(store: JobStore, job_id: str) -> None:
    for ask in (
        lambda: store.get(job_id),
        lambda: store.claim(job_id, worker="w", lease_seconds=1),
        lambda: store.request_cancel(job_id),
        lambda: store.retry(job_id),
    ):
        with pytest.raises(JobNotFoundError, match="unknown job"):
            ask()
    assert store.client.keys("duet:job:*") == []


def test_job_ids_sort_by_age_and_are_random(store: JobStore) -> None:
    ids = []
    for _ in range(5):
        ids.append(submit(store).id)
        time.sleep(0.002)
    assert ids == sorted(ids)
    assert len({job_id[12:] for job_id in ids}) == 5
    assert all(abs(int(job_id[:12], 16) / 1000 - time.time()) < 60 for job_id in ids)


def test_claim_sets_the_job_running_with_a_token(store: JobStore) -> None:
    job = submit(store)
    claim = claimed(store, job.id, worker="host:7")
    record = store.get(job.id)
    assert claim.record == record
    assert (record.state, record.attempt, record.worker) == ("running", 1, "host:7")
    assert record.token == claim.token
    assert record.claimed_at is not None
    assert record.claimed_at >= record.created_at
    assert stored(store, job.id) == [(0, "submitted"), (1, "claimed")]
    assert store.claim(job.id, worker="other", lease_seconds=60) is None
    assert store.get(job.id) == record


def test_progress_follows_the_events(store: JobStore) -> None:
    claim = running(store)
    job_id = claim.record.id
    assert claim.record.progress is None
    store.append(
        job_id, claim.token, [Stage(name="load"), Stage(name="fit"), FitStarted(steps=100, done=0, detail="d")]
    )
    store.append(job_id, claim.token, [progress(3, loss=0.1234567890123456), progress(4, loss=float("nan"))])
    now = store.get(job_id).progress
    assert now is not None
    assert (now.stage, now.epoch, now.epochs, now.step, now.steps) == ("fit", 1, 2, 4, 100)
    assert (now.loss, now.accuracy, now.seconds_left) == (None, 0.25, 9.5)
    store.append(job_id, claim.token, [progress(5, loss=0.1234567890123456), epoch(1), *notes("half way")])
    now = store.get(job_id).progress
    assert now is not None
    assert (now.loss, now.step, now.epoch) == (0.1234567890123456, 5, 1)


def test_append_keeps_the_newest_progress_and_all_epochs(store: JobStore) -> None:
    claim = running(store)
    job_id = claim.record.id
    for step in range(10):
        store.append(job_id, claim.token, [progress(2 * step), progress(2 * step + 1)])
        if step % 5 == 4:
            store.append(job_id, claim.token, [epoch(step // 5 + 1)])
    assert names(store, job_id) == ["submitted", "claimed", "epoch", "progress", "epoch"]


def test_resent_batch_is_stored_once(store: JobStore) -> None:
    claim = running(store)
    for batch in ("a", "a", "b"):
        store.append(claim.record.id, claim.token, [progress(1), *notes(batch)], batch=batch)
    assert names(store, claim.record.id) == ["submitted", "claimed", "note", "progress", "note"]


def test_new_attempt_starts_without_progress(store: JobStore) -> None:
    first = running(store)
    store.append(first.record.id, first.token, [Stage(name="fit"), progress(50)])
    store.interrupt(first.record.id, first.token, "killed")
    assert claimed(store, first.record.id).record.progress is None


def test_event_stream_is_bounded(broker: Broker) -> None:
    store = JobStore.open(broker.url, events_kept=100)
    claim = running(store)
    for start in range(0, 1000, 50):
        store.append(claim.record.id, claim.token, notes(*(str(number) for number in range(start, start + 50))))
    assert 100 <= store.client.xlen(events_key(claim.record.id)) < 300
    assert entries(store, claim.record.id)[-1][1]["event"] == '{"event":"note","text":"999"}'
    store.client.close()


@pytest.mark.parametrize("state", ENDS)
def test_finish_records_result_and_error(store: JobStore, state: FinalState) -> None:
    claim = running(store)
    job_id = claim.record.id
    failure = JobFailure(type="DataError", message="no data at all") if state == "failed" else None
    result: dict[str, JsonValue] | None = {"version": "cnn@3", "accuracy": 0.875} if state == "succeeded" else None
    record = store.finish(job_id, claim.token, state, result=result, error=failure)
    assert record == store.get(job_id)
    assert (record.state, record.result, record.error) == (state, result, failure)
    assert record.finished
    assert record.finished_at is not None
    assert names(store, job_id)[-1] == "finished"
    assert store.claim(job_id, worker="w", lease_seconds=60) is None
    with pytest.raises(JobFinishedError, match="already"):
        store.request_cancel(job_id)
    assert store.get(job_id) == record


def test_cancel_of_a_queued_job_ends_it(store: JobStore) -> None:
    job = submit(store)
    assert store.request_cancel(job.id).state == "cancelled"
    assert store.claim(job.id, worker="w", lease_seconds=60) is None
    assert names(store, job.id) == ["submitted", "finished"]


def test_cancel_of_a_running_job_asks_its_worker(store: JobStore) -> None:
    claim = running(store)
    job_id = claim.record.id
    assert store.renew(job_id, claim.token, 60) == "held"
    assert store.permit(job_id, claim.token, "publish")
    assert store.request_cancel(job_id).state == "cancelling"
    assert store.request_cancel(job_id).state == "cancelling"
    assert store.renew(job_id, claim.token, 60) == "cancel_requested"
    assert store.permit(job_id, claim.token, "checkpoint")
    assert not store.permit(job_id, claim.token, "publish")
    assert store.finish(job_id, claim.token, "cancelled").state == "cancelled"
    assert names(store, job_id) == ["submitted", "claimed", "cancelling", "finished"]


def test_interrupted_job_is_resumed_once_then_fails(store: JobStore) -> None:
    first = running(store)
    job_id = first.record.id
    assert store.interrupt(job_id, first.token, "the child was killed").state == "queued"
    second = claimed(store, job_id, worker="worker-2")
    assert second.record.attempt == 2
    assert second.token > first.token
    record = store.interrupt(job_id, second.token, "the child was killed")
    assert record.state == "failed"
    assert record.error is not None
    assert "the child was killed" in record.error.message
    assert stored(store, job_id) == [
        (0, "submitted"),
        (1, "claimed"),
        (1, "interrupted"),
        (2, "claimed"),
        (2, "interrupted"),
        (2, "finished"),
    ]


def test_shutdown_requeues_any_number_of_times(store: JobStore) -> None:
    job_id = submit(store).id
    for _ in range(3):
        claim = claimed(store, job_id)
        assert store.interrupt(job_id, claim.token, "the worker was stopped", "shutdown").state == "queued"
    claim = claimed(store, job_id)
    assert store.interrupt(job_id, claim.token, "killed").state == "queued"
    claim = claimed(store, job_id)
    store.request_cancel(job_id)
    assert store.interrupt(job_id, claim.token, "the worker was stopped", "shutdown").state == "cancelled"


def test_expire_needs_an_expired_lease(store: JobStore) -> None:
    claim = running(store)
    job_id = claim.record.id
    assert store.expire(job_id, "silent") is None
    run_out(store, job_id)
    assert store.renew(job_id, claim.token, 60) == "held"  # late, but nobody noticed
    assert store.expire(job_id, "silent") is None
    run_out(store, job_id)
    assert store.permit(job_id, claim.token, "checkpoint")
    assert store.expire(job_id, "silent") is None  # what is permitted lasts while it is written
    run_out(store, job_id)
    record = store.expire(job_id, "silent")
    assert record is not None
    assert record.state == "queued"
    assert store.expire(job_id, "silent") is None
    assert store.renew(job_id, claim.token, 60) == "lost"


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_retry_requeues_a_failed_or_cancelled_job(store: JobStore, state: FinalState) -> None:
    claim = running(store)
    job_id = claim.record.id
    store.interrupt(job_id, claim.token, "killed")
    second = claimed(store, job_id)
    store.finish(job_id, second.token, state, error=JobFailure(type="DataError", message="gone"))
    again = store.retry(job_id)
    assert (again.state, again.error, again.finished_at) == ("queued", None, None)
    third = claimed(store, job_id)
    assert third.record.attempt == 3
    assert store.interrupt(job_id, third.token, "killed").state == "queued"  # resumed by itself once more
    assert names(store, job_id)[-4:] == ["finished", "retried", "claimed", "interrupted"]


def test_forget_removes_every_key_of_the_job(store: JobStore) -> None:
    live, ended = submit(store), running(store)
    store.finish(ended.record.id, ended.token, "succeeded")
    assert not store.forget(ended.record.id, ended_before_seconds=60)
    assert not store.forget(live.id, ended_before_seconds=0)
    assert store.forget(ended.record.id, ended_before_seconds=0)
    with pytest.raises(JobNotFoundError):
        store.get(ended.record.id)
    assert [record.id for record in store.list().records] == [live.id]
    left = {key for key in store.client.keys("*") if ended.record.id in key}
    assert left == set()


def test_list_is_newest_first_filtered_and_paged(store: JobStore) -> None:
    ids = []
    for number in range(7):
        ids.append(submit(store, "evaluate" if number % 3 == 0 else "train").id)
        time.sleep(0.002)
    for job_id in ids[:2]:
        claimed(store, job_id)
    assert [record.id for record in store.list().records] == ids[::-1]
    assert [record.id for record in store.list(kind="evaluate").records] == [ids[6], ids[3], ids[0]]
    assert [record.id for record in store.list(state="running").records] == [ids[1], ids[0]]
    assert [record.id for record in store.list(kind="train", state="running").records] == [ids[1]]
    assert store.list(state="failed").records == ()

    pages, cursor = [], None
    while True:
        page = store.list(limit=3, cursor=cursor)
        pages.append([record.id for record in page.records])
        cursor = page.next_cursor
        if cursor is None:
            break
    assert pages == [ids[:3:-1], ids[3:0:-1], [ids[0]]]
    assert store.list(limit=7).next_cursor is None


def test_list_filters_across_pages(store: JobStore) -> None:
    oldest = submit(store, "evaluate").id
    time.sleep(0.002)
    for _ in range(405):
        submit(store)
    page = store.list(kind="evaluate", limit=1)
    assert ([record.id for record in page.records], page.next_cursor) == ([oldest], None)
    assert len(store.list(limit=1000).records) == 406
