"""Metrics of jobs, workers and the broker at /metrics."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from service.jobs.figures import MIN_AGE_SECONDS
from service.jobs.store.heartbeats import Heartbeats, Readiness, WorkerReport
from tests.support.broker import Broker, running_broker
from tests.support.job_api import desk_of, job_app
from tests.support.jobs import run_out, running, submit
from tests.support.metrics import samples_of
from tests.support.service import RunningApp, running_app, settings_for


async def scraped(app: RunningApp) -> dict[str, float]:
    """All samples of the app, of jobs that are read now."""
    desk_of(app).figures._began -= MIN_AGE_SECONDS
    return samples_of((await app.client.get("/metrics")).text)


async def test_jobs_and_workers_are_exported(home: Path, broker: Broker) -> None:
    async with job_app(home, broker) as app:
        store = desk_of(app).store
        before = await scraped(app)
        assert before['duet_jobs{kind="train",state="queued"}'] == 0
        assert before['duet_workers{kind="train",state="ready"}'] == 0
        assert before['duet_jobs_ended_total{kind="batch",state="failed"}'] == 0
        assert before["duet_broker_up"] == 1
        submit(store)
        run_out(store, running(store).record.id)
        done = running(store)
        store.finish(done.record.id, done.token, "failed")
        training = Readiness(ready=True, reason=None, since=datetime.now(UTC))
        Heartbeats(store.client).beat(
            WorkerReport(name="w:1", host="w", pid=1, queues=("train",), jobs=2, running=("x",), training=training)
        )
        after = await scraped(app)
    assert after['duet_jobs{kind="train",state="queued"}'] == 1
    assert after['duet_jobs{kind="train",state="running"}'] == 1
    assert after['duet_jobs_lease_overdue_seconds{kind="train"}'] > 1000
    assert after['duet_jobs_ended_total{kind="train",state="failed"}'] == 1
    assert after['duet_job_duration_seconds_bucket{kind="train",le="+Inf"}'] == 1
    assert after['duet_job_duration_seconds_bucket{kind="train",le="262144.0"}'] == 1
    assert after['duet_job_duration_seconds_count{kind="train"}'] == 1
    assert after['duet_workers{kind="train",state="ready"}'] == 1
    assert after['duet_workers{kind="batch",state="ready"}'] == 0
    assert after['duet_worker_heartbeat_age_seconds{worker="w:1"}'] < 10
    assert (after['duet_worker_slots{worker="w:1"}'], after['duet_worker_running{worker="w:1"}']) == (2, 1)
    assert after["duet_broker_memory_bytes"] > 100_000


async def test_metrics_without_a_broker_that_answers_say_so(home: Path) -> None:
    with running_broker() as broker:
        async with job_app(home, broker) as app:
            broker.kill()
            found = await scraped(app)
            assert found["duet_broker_up"] == 0
            assert not [name for name in found if name.startswith(("duet_jobs", "duet_worker", "duet_job_"))]
            assert found['duet_model_info{model="cnn",precision="fp32",version="1"}'] == 1, "other metrics continue"
            broker.restart()
            assert (await scraped(app))["duet_broker_up"] == 1


async def test_service_without_jobs_has_no_metrics_of_the_broker(home: Path) -> None:
    async with running_app(settings_for(home)) as app:
        found = samples_of((await app.client.get("/metrics")).text)
    assert not [name for name in found if name.startswith(("duet_broker", "duet_job", "duet_worker"))]


async def test_several_api_processes_export_the_jobs_once(
    home: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with job_app(home, broker) as app:
        submit(desk_of(app).store)
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
        found = await scraped(app)
    assert found['duet_jobs{kind="train",state="queued"}'] == 1
    assert found['duet_champion_info{model="cnn",precision="fp32",provider="cpu",version="1"}'] == 1
