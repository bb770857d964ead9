from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.jobs.events import Note, Progress, Stage
from service.jobs.event_feed import EventFeed
from tests.support.broker import Broker
from tests.support.job_api import WITH_KEY, claimed, desk_of, job, sse_events, submitted
from tests.support.problems import assert_problem
from tests.support.service import ListeningApp, RunningApp, listening_app, settings_for, until
from tests.support.wire import Peer


def kinds(events: list[dict[str, str]]) -> list[str]:
    return [json.loads(event["data"])["event"] for event in events]


async def test_stream_of_an_ended_job_has_all_events(jobs_app: RunningApp) -> None:
    job_id = await submitted(jobs_app)
    progress = Progress(epoch=1, epochs=2, step=5, steps=10, loss=float("nan"), accuracy=0.5, seconds_left=2.5)
    token = claimed(jobs_app, job_id, Stage(name="fit"), Note(text="two\nlines: é"), progress)
    desk_of(jobs_app).store.finish(job_id, token, "succeeded", result={"reference": "mlp@2"})
    answer = await jobs_app.client.get(f"/jobs/{job_id}/events")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == ("no-store", "no")
    assert answer.text.startswith("retry: 2000\n\n")
    events = sse_events(answer.text)
    assert kinds(events) == ["submitted", "claimed", "stage", "note", "progress", "finished"]
    told: list[dict[str, Any]] = [json.loads(event["data"]) for event in events]
    assert told[3]["text"] == "two\nlines: é"
    assert (told[4]["step"], told[4]["loss"], told[4]["attempt"], told[4]["token"]) == (5, None, 1, token)
    assert told[0]["at"].endswith("Z")
    assert events[-1]["id"] == (await job(jobs_app, job_id))["events"]
    ids = [tuple(map(int, event["id"].split("-"))) for event in events]
    assert ids == sorted(set(ids))


async def test_last_event_id_resumes_and_then_gets_204(jobs_app: RunningApp) -> None:
    job_id = await submitted(jobs_app)
    token = claimed(jobs_app, job_id)
    desk_of(jobs_app).store.finish(job_id, token, "failed")
    path = f"/jobs/{job_id}/events"
    whole = sse_events((await jobs_app.client.get(path)).text)
    for i, event in enumerate(whole[:-1]):
        rest = await jobs_app.client.get(path, headers={"last-event-id": event["id"]})
        assert sse_events(rest.text) == whole[i + 1 :]
        assert sse_events((await jobs_app.client.get(path, params={"after": event["id"]})).text) == whole[i + 1 :]
    both = await jobs_app.client.get(path, params={"after": whole[0]["id"]}, headers={"last-event-id": whole[1]["id"]})
    assert sse_events(both.text) == whole[2:]  # a browser comes back to the address it began with
    last = await jobs_app.client.get(path, headers={"last-event-id": whole[-1]["id"]})
    assert (last.status_code, last.content) == (204, b"")


async def test_unknown_jobs_and_places(jobs_app: RunningApp) -> None:
    for unknown in ("0" * 32, "x", "0" * 64):
        assert_problem(await jobs_app.client.get(f"/jobs/{unknown}/events"), 404, "unknown-job")
    path = f"/jobs/{await submitted(jobs_app)}/events"
    for params in ({"after": "soon"}, {"from": "1"}, {"after": "1-1-1"}):
        assert_problem(await jobs_app.client.get(path, params=params), 422, "invalid-parameters")
    answer = await jobs_app.client.get(path, headers={"last-event-id": "$"})
    assert assert_problem(answer, 422, "invalid-parameters")["errors"][0]["parameter"] == "Last-Event-ID"


async def test_streams_over_the_limit_are_refused(jobs_app: RunningApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EventFeed, "listeners", 1000)
    answer = await jobs_app.client.get(f"/jobs/{await submitted(jobs_app)}/events")
    assert_problem(answer, 429, "too-many-streams")


async def new_job(app: ListeningApp) -> str:
    host, port = app.address
    async with httpx.AsyncClient(base_url=f"http://{host}:{port}") as client:
        answer = await client.post("/train", json={"recipe": "mlp_baseline"}, headers=WITH_KEY)
        job_id: str = answer.json()["id"]
        return job_id


def listening(home: Path, broker: Broker, **changes: Any) -> Any:
    return listening_app(settings_for(home, redis_url=broker.url, api_keys=f"jobs:{WITH_KEY['x-api-key']}", **changes))


async def follow(app: ListeningApp, job_id: str) -> Peer:
    peer = await Peer.connect(app.address)
    await peer.send(f"GET /jobs/{job_id}/events HTTP/1.1\r\nHost: duet\r\n\r\n".encode())
    return peer


async def test_disconnected_streams_leave_nothing_behind(home: Path, broker: Broker) -> None:
    async with listening(home, broker) as app:
        job_service = app.state["jobs"]
        assert job_service is not None
        job_id = await new_job(app)
        state = app.server.server_state
        await until(lambda: asyncio.sleep(0, not state.connections))
        for _ in range(2):
            crowd = [await follow(app, job_id) for _ in range(200)]
            await until(lambda: asyncio.sleep(0, job_service.feed.listeners == 200))
            connected = int(job_service.store.client.info("clients")["connected_clients"])
            for i, peer in enumerate(crowd):
                peer.hang_up(rudely=i % 2 == 0)
            await until(lambda: asyncio.sleep(0, job_service.feed.listeners == 0))
            await until(lambda: asyncio.sleep(0, not state.connections and not state.tasks))
            assert int(job_service.store.client.info("clients")["connected_clients"]) <= connected < 50
        assert job_service.store.get(job_id).state == "queued"


async def test_drain_ends_streams_at_once(home: Path, broker: Broker) -> None:
    async with listening(home, broker, deadline_seconds=600) as app:
        job_service = app.state["jobs"]
        assert job_service is not None
        job_id = await new_job(app)
        host, port = app.address
        async with httpx.AsyncClient(base_url=f"http://{host}:{port}") as client:
            crowd = [asyncio.create_task(client.get(f"/jobs/{job_id}/events")) for _ in range(20)]
            await until(lambda: asyncio.sleep(0, job_service.feed.listeners == 20))
            app.state["lifecycle"].draining = True
            for each in crowd:
                answer = await each
                assert kinds(sse_events(answer.text)) == ["submitted"]


async def test_event_reaches_an_open_stream(home: Path, broker: Broker) -> None:
    async with listening(home, broker) as app:
        job_service = app.state["jobs"]
        assert job_service is not None
        job_id = await new_job(app)
        host, port = app.address
        async with (
            httpx.AsyncClient(base_url=f"http://{host}:{port}") as client,
            client.stream("GET", f"/jobs/{job_id}/events") as answer,
        ):
            lines = answer.aiter_lines()

            async def next_event() -> str:
                async for line in lines:
                    if line.startswith("data: "):
                        kind: str = json.loads(line.removeprefix("data: "))["event"]
                        return kind
                return "end"

            assert await next_event() == "submitted"
            claim = job_service.store.claim(job_id, worker="w", lease_seconds=60)
            assert claim is not None
            assert await next_event() == "claimed"
            job_service.store.request_cancel(job_id)
            assert await next_event() == "cancelling"
            job_service.store.finish(job_id, claim.token, "cancelled")
            assert await next_event() == "finished"
            assert await next_event() == "end"
