"""Service over a real broker, with the messages of a worker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from core.files.home import LOG_NAME, named_run
from core.images.cifar_files import CIFAR10_FILES
from core.jobs.events import ReportedEvent, Stage
from service.jobs.service import JobService
from service.jobs.store.heartbeats import Readiness, WorkerReport
from service.jobs.store.keys import queue_key
from tests.support.broker import Broker
from tests.support.service import RunningApp, running_app, settings_for

JOBS_KEY, ADMIN_KEY = "j" * 16, "a" * 16
WITH_KEY = {"x-api-key": JOBS_KEY}
TRAIN = {"recipe": "mlp_baseline", "seed": 3, "overrides": {"epochs": 2}}


@asynccontextmanager
async def job_app(home: Path, broker: Broker, **changes: Any) -> AsyncIterator[RunningApp]:
    """Return the app over this broker; its client sends no key by default. CIFAR-10's files are there, but empty."""
    own = {
        "data_dir": empty_cifar(home / "cifar"),
        "redis_url": broker.url,
        "api_keys": f"jobs:{JOBS_KEY},admin:{ADMIN_KEY}",
        "deadline_seconds": 60,
    }
    async with running_app(settings_for(home, **(own | changes))) as app:
        yield app


def empty_cifar(folder: Path) -> Path:
    """Write the files of CIFAR-10, without content, to the folder and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, _ in CIFAR10_FILES:
        (folder / name).touch()
    return folder


def desk_of(app: RunningApp) -> JobService:
    """The jobs of the app."""
    job_service = app.state["jobs"]
    assert job_service is not None
    return job_service


async def submitted(app: RunningApp, body: dict[str, Any] | None = None, path: str = "/train", **headers: str) -> str:
    """Start a job, which must be accepted, and return its id."""
    answer = await app.client.post(path, json=TRAIN if body is None else body, headers=WITH_KEY | headers)
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["id"]
    return job_id


def claimed(app: RunningApp, job_id: str, *events: ReportedEvent) -> int:
    """Claim the job as a worker does, and tell these events; the token."""
    store = desk_of(app).store
    claim = store.claim(job_id, worker="w@test", lease_seconds=60)
    assert claim is not None
    store.append(job_id, claim.token, list(events) or [Stage(name="fit")])
    return claim.token


def messages(broker: Broker, kind: str) -> int:
    """Return the number of messages in the queue."""
    with broker.client() as client:
        return int(client.llen(queue_key(kind)))  # type: ignore[arg-type]


def write_log(app: RunningApp, job_id: str, content: bytes) -> Path:
    """Write the output of the job's process."""
    path = named_run(app.state["settings"].home, job_id) / LOG_NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def worker_report(
    name: str, *, ready: bool, queues: Sequence[Any] = ("train", "evaluate", "batch", "download"), cifar10: bool = True
) -> WorkerReport:
    """Return a worker's heartbeat."""
    reason = None if ready else f"the training environment of {name} is being installed"
    training = Readiness(ready=ready, reason=reason, since=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    return WorkerReport(
        name=name, host="test", pid=1, queues=tuple(queues), jobs=1, running=(), training=training, cifar10=cifar10
    )


def sse_events(text: str) -> list[dict[str, str]]:
    """Return the fields of each event in a stream, without comments."""
    blocks = [block for block in text.split("\n\n") if block]
    events = [dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":")) for block in blocks]
    return [event for event in events if "data" in event]


async def job(app: RunningApp, job_id: str) -> dict[str, Any]:
    """GET /jobs/{id}."""
    answer: httpx.Response = await app.client.get(f"/jobs/{job_id}")
    assert answer.status_code == 200, answer.text
    record: dict[str, Any] = answer.json()
    return record
