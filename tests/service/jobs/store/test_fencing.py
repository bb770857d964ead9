"""Fencing: of several attempts at a job only one can write, with racing threads, late tokens and lost responses."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier
from typing import Any

import pytest
from redis import Redis

from core.errors import JobFinishedError, LostClaimError
from service.jobs.store.keys import TOKENS
from service.jobs.store.store import JobStore
from tests.support.broker import Broker
from tests.support.jobs import PARAMETERS, claimed, entries, names, notes, run_out, running, stored, submit

THREADS = 16


def together(work: Callable[[int], Any]) -> list[Any]:
    """Run `work(number)` in many threads that start at once."""
    barrier = Barrier(THREADS)

    def released(number: int) -> Any:
        barrier.wait(60)
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(released, range(THREADS)))


@pytest.mark.parametrize("_", range(5))
def test_concurrent_claims_give_the_job_to_one(store: JobStore, _: int) -> None:
    job = submit(store)
    answers = together(lambda number: store.claim(job.id, worker=str(number), lease_seconds=60))
    claims = [claim for claim in answers if claim is not None]
    assert len(claims) == 1
    record = store.get(job.id)
    assert (record.attempt, record.token, record.worker) == (1, claims[0].token, claims[0].record.worker)
    assert names(store, job.id) == ["submitted", "claimed"]


def test_concurrent_expirations_requeue_the_job_once(store: JobStore) -> None:
    claim = running(store)
    run_out(store, claim.record.id)
    answers = together(lambda _: store.expire(claim.record.id, "silent"))
    assert [record.state for record in answers if record is not None] == ["queued"]
    assert names(store, claim.record.id) == ["submitted", "claimed", "interrupted"]


@pytest.mark.parametrize("_", range(5))
def test_concurrent_cancel_and_finish_leave_one_end(store: JobStore, _: int) -> None:
    claim = running(store)

    def work(number: int) -> None:
        if number == THREADS // 2:
            store.finish(claim.record.id, claim.token, "succeeded")
        else:
            with suppress(JobFinishedError):
                store.request_cancel(claim.record.id)

    together(work)
    assert store.get(claim.record.id).state == "succeeded"
    happened = names(store, claim.record.id)
    assert happened in (
        ["submitted", "claimed", "finished"],
        ["submitted", "claimed", "cancelling", "finished"],
    )


def test_concurrent_appends_keep_batches_together(store: JobStore) -> None:
    claim = running(store)
    together(lambda number: store.append(claim.record.id, claim.token, notes(f"{number} a", f"{number} b")))
    texts = [fields["event"] for _, fields in entries(store, claim.record.id)][2:]
    assert len(texts) == len(set(texts)) == 2 * THREADS
    for number in range(THREADS):  # one batch stays together
        first = texts.index(f'{{"event":"note","text":"{number} a"}}')
        assert texts[first + 1] == f'{{"event":"note","text":"{number} b"}}'


def everything_with(store: JobStore, job_id: str, token: int) -> None:
    """Try every operation of a worker with an outdated token."""
    before = store.get(job_id)
    assert store.renew(job_id, token, 60) == "lost"
    assert not store.permit(job_id, token, "checkpoint")
    assert not store.permit(job_id, token, "publish")
    for attempt in (
        lambda: store.append(job_id, token, notes("from the grave")),
        lambda: store.append(job_id, token, []),
        lambda: store.finish(job_id, token, "succeeded", result={"version": "cnn@3"}),
        lambda: store.interrupt(job_id, token, "killed"),
        lambda: store.interrupt(job_id, token, "stopped", "shutdown"),
    ):
        with pytest.raises(LostClaimError):
            attempt()
    assert store.get(job_id) == before


def test_outdated_token_is_rejected_in_every_state(store: JobStore) -> None:
    first = running(store)
    job_id = first.record.id
    everything_with(store, job_id, first.token - 1)
    everything_with(store, job_id, 0)
    run_out(store, job_id)
    store.expire(job_id, "silent")
    everything_with(store, job_id, first.token)  # while the job is queued
    second = claimed(store, job_id)
    everything_with(store, job_id, first.token)  # while another attempt runs
    store.append(job_id, second.token, notes("alive"))
    store.request_cancel(job_id)
    everything_with(store, job_id, first.token)  # while that is cancelled
    store.finish(job_id, second.token, "failed")
    everything_with(store, job_id, first.token)  # after its end
    everything_with(store, job_id, second.token)
    store.retry(job_id)
    everything_with(store, job_id, second.token)  # while it waits to be tried again
    third = claimed(store, job_id)
    everything_with(store, job_id, second.token)
    assert first.token < second.token < third.token
    assert "from the grave" not in str(entries(store, job_id))
    attempts = [attempt for attempt, _ in stored(store, job_id)]
    assert attempts == sorted(attempts)


def test_token_of_another_job_is_rejected(store: JobStore) -> None:
    one, other = running(store), running(store)
    everything_with(store, other.record.id, one.token)
    assert store.renew(one.record.id, one.token, 60) == "held"


def test_tokens_increase_even_after_lost_writes(store: JobStore) -> None:
    first = running(store)
    store.client.delete(TOKENS)
    second = running(store)
    assert second.token > first.token
    store.client.set(TOKENS, second.token + 10**12)  # the broker's clock was set back by eleven days
    assert running(store).token == second.token + 10**12 + 1


class Forgetful(Redis):
    """Loses the response to the next script after the broker has run it, as a broken connection does."""

    losing = False

    def evalsha(self, *args: Any, **kwargs: Any) -> Any:
        answer = super().evalsha(*args, **kwargs)
        if not self.losing:
            return answer
        self.losing = False
        return super().evalsha(*args, **kwargs)


def test_scripts_are_idempotent_after_a_lost_response(broker: Broker) -> None:
    client = Forgetful(unix_socket_path=str(broker.socket), decode_responses=True)
    store = JobStore(client)

    def losing_the_answer() -> JobStore:
        client.losing = True
        return store

    submit(store)  # so that the scripts are known to the broker
    job = losing_the_answer().create("train", PARAMETERS, request_id="r", traceparent=None)
    assert len(store.list().records) == 2
    claim = losing_the_answer().claim(job.id, worker="w", lease_seconds=60)
    assert claim is not None
    assert claim.record.attempt == 1
    losing_the_answer().append(job.id, claim.token, notes("once"))
    assert losing_the_answer().finish(job.id, claim.token, "failed").state == "failed"
    assert names(store, job.id) == ["submitted", "claimed", "note", "finished"]
    client.close()


def test_store_reconnects_after_a_broken_connection(broker: Broker) -> None:
    """The client of `JobStore.open` reconnects, which the test above relies on."""
    store = JobStore.open(broker.url)
    job = submit(store)
    with broker.client() as other:
        other.client_kill_filter(_type="normal", skipme=True)
    assert store.get(job.id) == job
    store.client.close()
