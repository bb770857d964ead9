from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.jobs.records import JobFailure
from core.repository.champions import archive, promote, rollback
from core.repository.deletion import delete_version
from core.repository.repository import ModelRepository
from core.schemas.live import LiveAlarm
from service.jobs.maintenance.reaper import leader
from service.jobs.store.keys import ENDS
from service.jobs.store.store import JobStore
from service.settings import Settings
from service.webhooks import outbox as outbox_module
from service.webhooks.collector import EventCollector
from service.webhooks.events import MAX_BODY_BYTES
from service.webhooks.outbox import Message, Outbox
from tests.support.jobs import claimed, running, submit
from tests.support.versions import make_repository, write_version

Collect = Callable[..., EventCollector]


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    return make_repository(tmp_path)


@pytest.fixture
def collector(store: JobStore, outbox: Outbox, repository: ModelRepository, tmp_path: Path) -> Collect:
    """Creates collectors, each as in another process."""

    def create(
        alarms: Sequence[LiveAlarm] = (),
        count: Callable[[str], None] = print,
        repository: ModelRepository = repository,
    ) -> EventCollector:
        settings = Settings(home=tmp_path, root_path="/duet")
        return EventCollector(store, [outbox], repository, settings, alarms=lambda: alarms, count=count)

    return create


def messages(outbox: Outbox) -> list[Message]:
    """All messages, in order; they are removed."""
    found = []
    while message := outbox.next_due():
        outbox.remove(message)
        found.append(message)
    return found


def bodies(outbox: Outbox) -> list[Any]:
    return [json.loads(message.body) for message in messages(outbox)]


def alarm(**changes: Any) -> LiveAlarm:
    values: dict[str, Any] = {
        "test": "confidence",
        "model": "cnn",
        "version": 1,
        "precision": "fp32",
        "time": datetime.now(UTC) + timedelta(seconds=1),
        "message": "the confidence of cnn@1 (fp32) has changed",
        "false_alarm_rate": 0.01,
    }
    return LiveAlarm(**(values | changes))


def test_end_of_a_job_is_an_event(collector: Collect, store: JobStore, outbox: Outbox, tmp_path: Path) -> None:
    succeeded, failed = running(store), running(store)
    cancelled = submit(store)
    store.finish(succeeded.record.id, succeeded.token, "succeeded", result={"version": "cnn@7"})
    failure = JobFailure(type="DataError", message=f"{tmp_path}/datasets/pets is empty")
    store.finish(failed.record.id, failed.token, "failed", error=failure)
    store.request_cancel(cancelled.id)
    collector().run_once()
    found = {body["type"]: body for body in bodies(outbox)}
    assert set(found) == {"job.succeeded", "job.failed", "job.cancelled"}
    record = store.get(succeeded.record.id)
    assert record.finished_at is not None
    assert found["job.succeeded"] == {
        "type": "job.succeeded",
        "timestamp": record.finished_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "data": {
            "id": record.id,
            "kind": "train",
            "state": "succeeded",
            "attempt": 1,
            "created_at": record.created_at.isoformat(),
            "finished_at": record.finished_at.isoformat(),
            "job": f"/duet/jobs/{record.id}",
            "result": {"version": "cnn@7"},
            "result_omitted": False,
            "error": None,
        },
    }
    assert found["job.failed"]["data"]["error"] == {
        "type": "DataError",
        "message": "DUET_HOME/datasets/pets is empty",
    }
    assert found["job.cancelled"]["data"]["id"] == cancelled.id
    collector().run_once()
    assert messages(outbox) == []


def test_end_is_an_event_even_if_the_job_was_retried_at_once(
    collector: Collect, store: JobStore, outbox: Outbox
) -> None:
    claim = running(store)
    store.finish(claim.record.id, claim.token, "failed", error=JobFailure(type="E", message="m"))
    store.retry(claim.record.id)
    again = claimed(store, claim.record.id)
    store.finish(claim.record.id, again.token, "succeeded")
    collector().run_once()
    assert sorted(body["type"] for body in bodies(outbox)) == ["job.failed", "job.succeeded"]


def test_large_result_and_error_are_shortened(collector: Collect, store: JobStore, outbox: Outbox) -> None:
    claim = running(store)
    failure = JobFailure(type="E", message="m" * 100_000)
    store.finish(claim.record.id, claim.token, "failed", result={"list": "x" * 50_000}, error=failure)
    collector().run_once()
    (message,) = messages(outbox)
    assert len(message.body) <= MAX_BODY_BYTES
    data = json.loads(message.body)["data"]
    assert (data["result"], data["result_omitted"]) == (None, True)
    assert data["error"]["message"].endswith("m...")


def test_ends_are_bounded_without_webhooks(store: JobStore) -> None:
    store.client.zadd(ENDS, {f"{'0' * 32}:failed:{number}": number for number in range(1000)})
    store.request_cancel(submit(store).id)
    assert store.client.zcard(ENDS) == 1000
    newest: Any = store.client.zrange(ENDS, -1, -1)
    assert ":cancelled:" in newest[0]


def test_end_of_a_removed_job_is_dropped(collector: Collect, store: JobStore, outbox: Outbox) -> None:
    job = submit(store)
    store.request_cancel(job.id)
    store.forget(job.id, ended_before_seconds=-1)
    collector().run_once()
    assert messages(outbox) == []
    assert store.client.zcard(ENDS) == 0


def test_alarm_is_one_event_for_all_processes(collector: Collect, outbox: Outbox) -> None:
    raised = alarm()
    collector([raised]).run_once()
    other = collector([raised])
    other.run_once()
    other.run_once()
    (body,) = bodies(outbox)
    assert body["type"] == "alarm.raised"
    assert body["data"] == {
        "test": "confidence",
        "model": "cnn",
        "version": 1,
        "precision": "fp32",
        "time": raised.model_dump(mode="json")["time"],
        "message": raised.message,
        "false_alarm_rate": 0.01,
    }


def test_old_alarms_are_no_events_after_a_restart(collector: Collect, outbox: Outbox) -> None:
    collector([alarm(time=datetime.now(UTC) - timedelta(hours=1))]).run_once()
    assert messages(outbox) == []


def test_champion_changes_are_events(collector: Collect, outbox: Outbox, repository: ModelRepository) -> None:
    running_collector = collector()
    running_collector.run_once()
    soon = datetime.now(UTC) + timedelta(seconds=1)
    promote(repository, "cnn", 2, actor="ada", reason="better", evidence={"gate": 1}, at=soon)
    promote(repository, "cnn", 3, actor="ada", reason="r" * 5000, at=soon)
    running_collector.run_once()
    collector().run_once()
    first, second = sorted(bodies(outbox), key=lambda body: body["data"]["entry"])
    assert first["type"] == "champion.changed"
    assert first["data"] == {
        "entry": 1,
        "at": soon.isoformat().replace("+00:00", "Z"),
        "family": "cnn",
        "action": "promote",
        "from_version": None,
        "to_version": 2,
        "actor": "ada",
        "reason": "better",
    }
    assert len(second["data"]["reason"]) < 2100


def test_rollback_and_archive_are_events_but_no_deletion(
    collector: Collect, outbox: Outbox, repository: ModelRepository
) -> None:
    promote(repository, "cnn", 2, actor="ada", reason="better")
    promote(repository, "cnn", 3, actor="ada", reason="better")
    collector().run_once()
    messages(outbox)
    rollback(repository, "cnn", actor="ada", reason="worse")
    delete_version(repository, "cnn", 3, actor="ada", reason="worse")
    collector().run_once()
    assert [(body["type"], body["data"]["action"]) for body in bodies(outbox)] == [("champion.changed", "rollback")]


def test_damaged_trail_is_logged_and_jobs_go_on(
    collector: Collect,
    store: JobStore,
    outbox: Outbox,
    repository: ModelRepository,
    caplog: pytest.LogCaptureFixture,
) -> None:
    promote(repository, "cnn", 2, actor="ada", reason="better")
    (repository.home_models / "promotions.jsonl").write_text("{}\n")
    store.request_cancel(submit(store).id)
    collector().run_once()
    assert [body["type"] for body in bodies(outbox)] == ["job.cancelled"]
    assert "the audit trail cannot be read for webhooks" in caplog.text


def test_full_outbox_is_counted(
    collector: Collect, store: JobStore, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_module, "MAX_MESSAGES", 1)
    outcomes: list[str] = []
    for _ in range(3):
        store.request_cancel(submit(store).id)
    collector(count=outcomes.append).run_once()
    assert outcomes == ["dropped", "dropped"]


def test_second_collector_waits_for_the_first(collector: Collect, store: JobStore, outbox: Outbox) -> None:
    store.request_cancel(submit(store).id)
    with leader(store.client, "webhooks"):
        collector().run_once()
        assert messages(outbox) == []
    collector().run_once()
    assert len(messages(outbox)) == 1


def test_archived_family_has_lost_its_champion(collector: Collect, outbox: Outbox, tmp_path: Path) -> None:
    repository = ModelRepository(tmp_path / "models", tmp_path / "none")
    write_version(repository.home_models / "pets" / "1", "pets", 1)
    promote(repository, "pets", 1, actor="ada", reason="first")
    archive(repository, "pets", actor="ada", reason="replaced")
    collector(repository=repository).run_once()
    assert {body["type"] for body in bodies(outbox)} == {"champion.changed", "champion.removed"}
