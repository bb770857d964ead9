from __future__ import annotations

import pytest

from core.errors import IdempotencyConflictError, IdempotencyInFlightError
from core.jobs.parameters import EvaluateParameters, JobParameters, TrainParameters
from core.jobs.records import JobRecord
from service.jobs.store.idempotency import IN_FLIGHT_MS, IdempotencyKeys
from service.jobs.store.keys import idempotency_key
from service.jobs.store.store import JobStore
from tests.service.jobs.store.test_fencing import together

SMALL = TrainParameters(recipe="mlp_baseline")
LARGE = TrainParameters(recipe="cnn_baseline")


@pytest.fixture
def keys(store: JobStore) -> IdempotencyKeys:
    return IdempotencyKeys(store.client, retention_seconds=3600)


def post(store: JobStore, keys: IdempotencyKeys, key: str, parameters: JobParameters = SMALL) -> JobRecord:
    with keys.reserve(key, "train", parameters) as reservation:
        return store.create("train", parameters, request_id="r", traceparent=None, reservation=reservation)


def only_key(store: JobStore) -> str:
    (name,) = store.client.keys(idempotency_key("*"))
    return str(name)


def test_same_key_returns_the_same_job(store: JobStore, keys: IdempotencyKeys) -> None:
    first = post(store, keys, "key-1")
    assert post(store, keys, "key-1").id == first.id
    assert post(store, keys, "key-2").id != first.id
    store.request_cancel(first.id)
    assert post(store, keys, "key-1") == store.get(first.id)  # as it is now
    assert len(store.list().records) == 2


def test_key_of_another_request_is_a_conflict(store: JobStore, keys: IdempotencyKeys) -> None:
    post(store, keys, "key")
    with pytest.raises(IdempotencyConflictError, match="different request"):
        post(store, keys, "key", LARGE)
    with pytest.raises(IdempotencyConflictError), keys.reserve("key", "evaluate", EvaluateParameters()):
        pass
    assert len(store.list().records) == 1
    assert post(store, keys, "key")


def test_key_in_flight_is_rejected(store: JobStore, keys: IdempotencyKeys) -> None:
    with keys.reserve("key", "train", SMALL):
        with pytest.raises(IdempotencyInFlightError, match="still being processed"):
            post(store, keys, "key")
        with pytest.raises(IdempotencyConflictError):
            post(store, keys, "key", LARGE)
    assert store.list().records == ()


def test_failed_request_releases_its_key(store: JobStore, keys: IdempotencyKeys) -> None:
    with pytest.raises(RuntimeError, match="broken"), keys.reserve("key", "train", SMALL):
        raise RuntimeError("broken")
    assert post(store, keys, "key", LARGE).kind == "train"


def test_error_after_creation_keeps_the_key(store: JobStore, keys: IdempotencyKeys) -> None:
    made = []

    def answer() -> None:
        with keys.reserve("key", "train", SMALL) as reservation:
            made.append(store.create("train", SMALL, request_id="r", traceparent=None, reservation=reservation))
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        answer()
    assert [post(store, keys, "key").id] == [job.id for job in made]


def test_concurrent_requests_create_one_job(store: JobStore, keys: IdempotencyKeys) -> None:
    def ask(_: int) -> str | None:
        try:
            return post(store, keys, "key").id
        except IdempotencyInFlightError:
            return None

    answered = {job_id for job_id in together(ask) if job_id is not None}
    assert len(answered) == 1
    assert [record.id for record in store.list().records] == list(answered)


def test_key_expires(store: JobStore) -> None:
    keys = IdempotencyKeys(store.client, retention_seconds=1000)
    with keys.reserve("key", "train", SMALL) as reservation:
        assert 0 < store.client.pttl(only_key(store)) <= IN_FLIGHT_MS
        store.create("train", SMALL, request_id="r", traceparent=None, reservation=reservation)
    assert 900_000 < store.client.pttl(only_key(store)) <= 1_000_000


def test_expired_reservation_creates_no_second_job(store: JobStore, keys: IdempotencyKeys) -> None:
    with keys.reserve("key", "train", SMALL) as slow:
        store.client.delete(only_key(store))  # as its expiry does
        quick = post(store, keys, "key")
        assert store.create("train", SMALL, request_id="r", traceparent=None, reservation=slow).id == quick.id
    assert len(store.list().records) == 1

    with keys.reserve("other", "train", SMALL) as slow:
        store.client.delete(slow.key)
        post(store, keys, "other", LARGE)
        with pytest.raises(IdempotencyConflictError):
            store.create("train", SMALL, request_id="r", traceparent=None, reservation=slow)
    assert len(store.list().records) == 2


def test_key_is_stored_as_a_digest(store: JobStore, keys: IdempotencyKeys) -> None:
    post(store, keys, "a secret of the client")
    assert "secret" not in only_key(store)
