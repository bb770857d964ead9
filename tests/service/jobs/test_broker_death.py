"""SIGKILL of the broker: acknowledged writes survive, rejected writes leave no trace."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.errors import BrokerUnavailableError
from core.jobs.events import read_job_event
from service.jobs.dispatch import Dispatcher
from service.jobs.store.store import Claim, JobStore
from tests.support.broker import Broker, waiting
from tests.support.jobs import claimed, entries, names, notes, progress, submit

WRITERS = 4


def test_killed_broker_loses_no_acknowledged_job_or_event(mortal_broker: Broker, mortal_store: JobStore) -> None:
    acknowledged: dict[str, tuple[Claim, list[str]]] = {}
    stop = threading.Event()

    def write(_: int) -> None:
        store = JobStore.open(mortal_broker.url)
        try:
            while not stop.is_set():
                claim = claimed(store, submit(store).id)
                texts: list[str] = []
                acknowledged[claim.record.id] = (claim, texts)
                for number in range(20):
                    store.append(claim.record.id, claim.token, notes(str(number)))
                    texts.append(str(number))
        except BrokerUnavailableError:
            pass
        finally:
            store.client.close()

    with ThreadPoolExecutor(WRITERS) as pool:
        writing = [pool.submit(write, number) for number in range(WRITERS)]
        while len(acknowledged) < 40:
            stop.wait(0.01)
        mortal_broker.kill()
        for writer in writing:
            writer.result(60)
        stop.set()

    mortal_broker.restart()
    store = mortal_store
    listed = {record.id: record for record in store.list(limit=100_000).records}
    assert acknowledged.keys() <= listed.keys()
    for job_id, (claim, texts) in acknowledged.items():
        assert (listed[job_id].state, listed[job_id].token) == ("running", claim.token)
        events = [read_job_event(fields["event"]) for _, fields in entries(store, job_id)]
        kept = [event.text for event in events if event.event == "note"]
        assert kept[: len(texts)] == texts
        assert len(kept) <= len(texts) + 1  # the answer to the last may have been lost
        assert store.renew(job_id, claim.token, 60) == "held"
        store.append(job_id, claim.token, notes("goes on"))
    assert max(claim.token for claim, _ in acknowledged.values()) < claimed(store, submit(store).id).token


def test_messages_outlive_the_broker_too(
    mortal_broker: Broker, mortal_store: JobStore, mortal_dispatcher: Dispatcher
) -> None:
    job = submit(mortal_store)
    assert mortal_dispatcher.send(job)
    mortal_broker.kill()
    mortal_broker.restart()
    assert waiting(mortal_store.client, "train") == [job.id]


def test_full_broker_changes_are_all_or_nothing(mortal_broker: Broker, mortal_store: JobStore) -> None:
    store = mortal_store
    claim = claimed(store, submit(store).id)
    queued = submit(store)
    before = store.get(claim.record.id)
    with mortal_broker.client() as admin:
        admin.config_set("maxmemory", "1mb")
        for ask in (
            lambda: submit(store),
            lambda: store.append(claim.record.id, claim.token, [progress(1)]),
            lambda: store.claim(queued.id, worker="w", lease_seconds=60),
        ):
            with pytest.raises(BrokerUnavailableError, match="refuses"):
                ask()
        assert {record.id for record in store.list().records} == {queued.id, before.id}
        assert (store.get(before.id), store.get(queued.id)) == (before, queued)
        # Scripts that free memory first are accepted, so that jobs can end, and they run completely.
        assert store.finish(before.id, claim.token, "succeeded").state == "succeeded"
        assert store.request_cancel(queued.id).state == "cancelled"
        admin.config_set("maxmemory", "0")
    assert names(store, before.id) == ["submitted", "claimed", "finished"]
    assert names(store, queued.id) == ["submitted", "finished"]
