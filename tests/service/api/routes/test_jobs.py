from __future__ import annotations

from typing import Any

import pytest

from core.jobs.events import Note, Progress
from core.jobs.records import JobFailure
from core.schemas.jobs import JobAnswer, JobList
from tests.support.broker import Broker
from tests.support.job_api import TRAIN, WITH_KEY, claimed, desk_of, job, messages, submitted, worker_report
from tests.support.problems import assert_problem
from tests.support.service import RunningApp


async def test_job_reports_progress_and_result(jobs_app: RunningApp) -> None:
    job_id = await submitted(jobs_app)
    path = f"/jobs/{job_id}"
    progress = Progress(epoch=1, epochs=2, step=5, steps=10, loss=0.5, accuracy=0.75, seconds_left=2.5)
    token = claimed(jobs_app, job_id, progress)
    running = JobAnswer.model_validate(await job(jobs_app, job_id))
    assert (running.state, running.attempt, running.token, running.worker) == ("running", 1, token, "w@test")
    assert running.progress is not None
    assert (running.progress.step, running.progress.seconds_left) == (5, 2.5)
    assert (running.links.cancel, running.links.retry) == (f"{path}/cancel", None)
    desk_of(jobs_app).store.finish(job_id, token, "failed", error=JobFailure(type="DataError", message="gone"))
    failed = JobAnswer.model_validate(await job(jobs_app, job_id))
    assert (failed.state, failed.error) == ("failed", JobFailure(type="DataError", message="gone"))
    assert failed.finished_at is not None
    assert (failed.links.cancel, failed.links.retry) == (None, f"{path}/retry")


async def test_paths_of_the_server_are_hidden_in_failures(jobs_app: RunningApp) -> None:
    job_id, home = await submitted(jobs_app), jobs_app.state["settings"].home
    failure = JobFailure(type="DataError", message=f"cannot read {home}/datasets/pets/a.png")
    store = desk_of(jobs_app).store
    store.finish(job_id, claimed(jobs_app, job_id, Note(text=f"saved {home}/runs/a")), "failed", error=failure)
    failed = JobAnswer.model_validate(await job(jobs_app, job_id))
    assert failed.error == JobFailure(type="DataError", message="cannot read DUET_HOME/datasets/pets/a.png")
    assert store.get(job_id).error == failure
    for path in (f"/jobs/{job_id}", "/jobs", f"/jobs/{job_id}/events"):
        answer = (await jobs_app.client.get(path)).text
        assert "DUET_HOME" in answer
        assert str(home) not in answer


async def test_jobs_are_paged_newest_first_and_filtered(jobs_app: RunningApp) -> None:
    made = [await submitted(jobs_app) for _ in range(3)]
    made.append(await submitted(jobs_app, {}, "/evaluate"))
    claimed(jobs_app, made[1])

    async def listed(**query: Any) -> JobList:
        answer = await jobs_app.client.get("/jobs", params=query)
        assert answer.status_code == 200, answer.text
        return JobList.model_validate_json(answer.content)

    async def ids(**query: Any) -> list[str]:
        return [one.id for one in (await listed(**query)).jobs]

    assert await ids() == made[::-1]
    assert await ids(kind="train") == made[2::-1]
    assert await ids(kind="evaluate") == made[3:]
    assert await ids(state="running") == [made[1]]
    assert await ids(kind="evaluate", state="running") == []
    pages: list[list[str]] = []
    cursor: dict[str, str] = {}
    while True:
        page = await listed(limit=1, kind="train", **cursor)
        pages.append([one.id for one in page.jobs])
        if page.next_cursor is None:
            break
        cursor = {"cursor": page.next_cursor}
    assert [one for page_ids in pages for one in page_ids] == made[2::-1]


@pytest.mark.parametrize(
    "query", [{"kind": "tune"}, {"state": "done"}, {"limit": 0}, {"limit": 201}, {"cursor": "next"}, {"page": 2}]
)
async def test_unknown_filters_are_refused(jobs_app: RunningApp, query: dict[str, Any]) -> None:
    problem = assert_problem(await jobs_app.client.get("/jobs", params=query), 422, "invalid-parameters")
    assert problem["errors"][0]["parameter"] == next(iter(query))


async def test_unknown_job_is_404_on_every_route(jobs_app: RunningApp) -> None:
    for unknown in ("0" * 32, "pending", "F" * 32):
        assert_problem(await jobs_app.client.get(f"/jobs/{unknown}"), 404, "unknown-job")
        for action in ("cancel", "retry"):
            answer = await jobs_app.client.post(f"/jobs/{unknown}/{action}", headers=WITH_KEY)
            assert_problem(answer, 404, "unknown-job")
    assert_problem(await jobs_app.client.get(f"/jobs/{'0' * 65}"), 422, "invalid-parameters")


async def test_job_changes_need_a_key(jobs_app: RunningApp) -> None:
    job_id = await submitted(jobs_app)
    for action in ("cancel", "retry"):
        assert_problem(await jobs_app.client.post(f"/jobs/{job_id}/{action}"), 401, "key-required")
    assert (await job(jobs_app, job_id))["state"] == "queued"


async def test_cancelling_in_every_state(jobs_app: RunningApp) -> None:
    store = desk_of(jobs_app).store

    async def cancel(job_id: str) -> dict[str, Any]:
        answer = await jobs_app.client.post(f"/jobs/{job_id}/cancel", headers=WITH_KEY)
        assert answer.status_code == 200, answer.text
        record: dict[str, Any] = answer.json()
        return record

    queued = await submitted(jobs_app)
    assert (await cancel(queued))["state"] == "cancelled"
    running = await submitted(jobs_app)
    token = claimed(jobs_app, running)
    assert (await cancel(running))["state"] == "cancelling"
    assert (await cancel(running))["state"] == "cancelling"
    store.finish(running, token, "succeeded")
    for ended in (queued, running):
        answer = await jobs_app.client.post(f"/jobs/{ended}/cancel", headers=WITH_KEY)
        assert_problem(answer, 409, "job-ended")


async def test_trying_again_in_every_state(jobs_app: RunningApp, broker: Broker) -> None:
    store = desk_of(jobs_app).store

    async def refused(job_id: str) -> None:
        answer = await jobs_app.client.post(f"/jobs/{job_id}/retry", headers=WITH_KEY)
        assert_problem(answer, 409, "job-not-retryable")

    job_id = await submitted(jobs_app)
    await refused(job_id)
    token = claimed(jobs_app, job_id)
    await refused(job_id)
    store.finish(job_id, token, "failed", error=JobFailure(type="DataError", message="gone"))
    sent = messages(broker, "train")
    answer = await jobs_app.client.post(f"/jobs/{job_id}/retry", headers=WITH_KEY)
    assert (answer.status_code, answer.headers["location"]) == (202, f"/jobs/{job_id}")
    assert (answer.json()["state"], answer.json()["error"]) == ("queued", None)
    assert messages(broker, "train") == sent + 1
    again = claimed(jobs_app, job_id)
    assert again > token
    store.finish(job_id, again, "succeeded")
    await refused(job_id)


async def test_retry_without_a_ready_worker_changes_nothing(jobs_app: RunningApp) -> None:
    job_id = await submitted(jobs_app)
    job_service = desk_of(jobs_app)
    job_service.store.request_cancel(job_id)
    job_service.heartbeats.beat(worker_report("one", ready=False))
    answer = await jobs_app.client.post(f"/jobs/{job_id}/retry", headers=WITH_KEY)
    assert_problem(answer, 503, "training-not-ready")
    assert (await job(jobs_app, job_id))["state"] == "cancelled"


async def test_reading_needs_no_key(jobs_app: RunningApp) -> None:
    job_id = await submitted(jobs_app, TRAIN)
    for path in ("/jobs", f"/jobs/{job_id}", f"/jobs/{job_id}/log", "/recipes"):
        assert (await jobs_app.client.get(path)).status_code == 200
