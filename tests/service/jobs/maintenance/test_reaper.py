from __future__ import annotations

import pytest

from core.errors import BrokerUnavailableError
from service.jobs.dispatch import Dispatcher
from service.jobs.maintenance.reaper import Reaped, Reaper
from service.jobs.store.keys import QUEUED, TASK_NAME, leader_key, queue_key
from service.jobs.store.records import MAX_LOST_WORKERS
from service.jobs.store.store import JobStore
from tests.support.broker import Broker, take, waiting
from tests.support.jobs import claimed, names, run_out, running, submit


@pytest.fixture
def reaper(store: JobStore, dispatcher: Dispatcher) -> Reaper:
    return Reaper(store, dispatcher, resend_after_seconds=60)


def age(store: JobStore, job_id: str) -> None:
    """Set the time of a queued job's last message into the past."""
    assert store.client.zadd(QUEUED, {job_id: 1}, xx=True, ch=True) == 1


def test_message_has_the_job_id_and_the_task_name(store: JobStore, dispatcher: Dispatcher) -> None:
    job = submit(store)
    assert dispatcher.send(job)
    message = take(store.client, "train")
    assert (message.task, message.args) == (TASK_NAME, [job.id])
    assert message.ignores_result
    assert waiting(store.client, "train") == []


def test_each_kind_of_job_has_its_queue(store: JobStore, dispatcher: Dispatcher) -> None:
    train, evaluate = submit(store), submit(store, "evaluate")
    dispatcher.send(evaluate)
    dispatcher.send(train)
    assert (waiting(store.client, "train"), waiting(store.client, "evaluate")) == ([train.id], [evaluate.id])


def test_job_without_a_message_is_sent(store: JobStore, reaper: Reaper) -> None:
    job = submit(store)
    assert reaper.run_once() == Reaped()  # it may be about to be sent
    age(store, job.id)
    assert reaper.run_once() == Reaped(sent_again=(job.id,))
    assert waiting(store.client, "train") == [job.id]
    assert reaper.run_once() == Reaped()


def test_waiting_job_is_not_resent(store: JobStore, dispatcher: Dispatcher, reaper: Reaper) -> None:
    jobs = [submit(store) for _ in range(3)]
    for job in jobs:
        dispatcher.send(job)
        age(store, job.id)
    assert reaper.run_once() == Reaped()
    assert waiting(store.client, "train") == [job.id for job in jobs]


def test_message_lost_with_its_worker_is_resent(store: JobStore, dispatcher: Dispatcher, reaper: Reaper) -> None:
    jobs = [submit(store) for _ in range(2)]
    other = submit(store, "evaluate")
    for job in (*jobs, other):
        dispatcher.send(job)
        age(store, job.id)
    assert take(store.client, "train").args == [jobs[0].id]
    assert set(reaper.run_once().sent_again) == {job.id for job in jobs}
    assert waiting(store.client, "evaluate") == [other.id]
    # The message too many does no harm: whoever takes it finds the job taken.
    order = [take(store.client, "train").args[0] for _ in range(3)]
    assert [store.claim(job_id, worker="w", lease_seconds=60) is not None for job_id in order].count(True) == 2


def lose_worker(store: JobStore, reaper: Reaper, job_id: str) -> Reaped:
    """Let the lease of a running job run out, and reap it."""
    reaper.run_once()
    run_out(store, job_id)
    assert reaper.run_once() == Reaped()
    return reaper.run_once()


def test_job_with_progress_survives_lost_workers(store: JobStore, reaper: Reaper) -> None:
    """A crash of the service is not the fault of the job, which goes on from its checkpoints."""
    claim = running(store)
    job_id = claim.record.id
    for number in range(3 * MAX_LOST_WORKERS):
        assert store.permit(job_id, claim.token, "checkpoint")
        assert lose_worker(store, reaper, job_id) == Reaped(resumed=(job_id,))
        assert waiting(store.client, "train") == [job_id]
        take(store.client, "train")
        claim = claimed(store, job_id, worker=f"worker-{number + 2}")
    assert names(store, job_id)[:4] == ["submitted", "claimed", "interrupted", "claimed"]


def test_job_losing_every_worker_fails(store: JobStore, reaper: Reaper) -> None:
    """It may be the job that takes its workers down: it never reaches a checkpoint."""
    job_id = running(store).record.id
    for _ in range(MAX_LOST_WORKERS):
        assert lose_worker(store, reaper, job_id) == Reaped(resumed=(job_id,))
        claimed(store, job_id, worker="another")
    assert lose_worker(store, reaper, job_id) == Reaped(given_up=(job_id,))
    record = store.get(job_id)
    assert record.state == "failed"
    assert record.error is not None
    assert "stopped renewing its lease" in record.error.message
    assert "10 times without reaching a checkpoint" in record.error.message
    assert names(store, job_id)[-3:] == ["claimed", "interrupted", "finished"]


def test_lost_worker_does_not_count_as_a_crash(store: JobStore, reaper: Reaper) -> None:
    job_id = running(store).record.id
    lose_worker(store, reaper, job_id)
    claim = claimed(store, job_id)
    assert store.interrupt(job_id, claim.token, "killed by SIGKILL").state == "queued"


def test_cancelling_job_of_a_dead_worker_is_cancelled(store: JobStore, reaper: Reaper) -> None:
    job_id = running(store).record.id
    store.request_cancel(job_id)
    run_out(store, job_id)
    reaper.run_once()
    assert reaper.run_once() == Reaped(given_up=(job_id,))
    assert store.get(job_id).state == "cancelled"


def test_late_renewal_after_a_pause_keeps_the_job(store: JobStore, reaper: Reaper) -> None:
    claim = running(store)
    for _ in range(3):
        run_out(store, claim.record.id)
        assert reaper.run_once() == Reaped()
        assert store.renew(claim.record.id, claim.token, 60) == "held"
        assert reaper.run_once() == Reaped()
    assert store.get(claim.record.id).attempt == 1


def test_second_reaper_does_nothing(store: JobStore, reaper: Reaper) -> None:
    job = submit(store)
    age(store, job.id)
    store.client.set(leader_key("reaper"), "another process", px=60_000)
    assert reaper.run_once() == Reaped()
    store.client.delete(leader_key("reaper"))
    assert reaper.run_once() == Reaped(sent_again=(job.id,))


def test_unavailable_broker_error_gives_advice(
    mortal_broker: Broker, mortal_store: JobStore, mortal_dispatcher: Dispatcher
) -> None:
    store, dispatcher = mortal_store, mortal_dispatcher
    job = submit(store)
    mortal_broker.kill()
    assert not dispatcher.send(job)
    for use in (Reaper(store, dispatcher).run_once, lambda: store.get(job.id), store.list, lambda: submit(store)):
        with pytest.raises(BrokerUnavailableError, match="start it again"):
            use()
    mortal_broker.restart()
    assert store.get(job.id) == job
    assert store.client.llen(queue_key("train")) == 0
    assert dispatcher.send(job)
    assert waiting(store.client, "train") == [job.id]
