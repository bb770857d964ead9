"""GET /labelling, GET /labelling/next and POST /labelling/{id}."""

from __future__ import annotations

import asyncio
import io
from base64 import b64decode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from core.schemas.labels import LabellingResult, LabellingSummary, LabellingTask, NextTask
from tests.support.broker import Broker
from tests.support.job_api import ADMIN_KEY, WITH_KEY, job_app
from tests.support.labels import disputed, not_chosen
from tests.support.problems import assert_problem
from tests.support.service import RunningApp, running_app, settings_for
from tests.support.traffic import write_segment

pytestmark = pytest.mark.slow
OTHER = {"x-api-key": ADMIN_KEY}
RECORDS = [disputed(name) for name in "abcdef"]


@pytest.fixture
async def running(home: Path, broker: Broker) -> AsyncIterator[RunningApp]:
    write_segment(home, [*RECORDS, *not_chosen(3)])
    async with job_app(home, broker) as app:
        yield app


async def claim(app: RunningApp, headers: dict[str, str] = WITH_KEY) -> LabellingTask:
    response = await app.client.get("/labelling/next", headers=headers)
    assert response.status_code == 200, response.text
    assert response.headers["cache-control"] == "no-store"
    task = NextTask.model_validate_json(response.content).task
    assert task is not None
    return task


async def act(
    app: RunningApp, task: LabellingTask, action: str, headers: dict[str, str] = WITH_KEY, **fields: Any
) -> httpx.Response:
    body = {"action": action, **({} if action == "undo" else {"claim": task.claim}), **fields}
    return await app.client.post(f"/labelling/{task.id}", json=body, headers=headers)


async def counts(app: RunningApp) -> tuple[int, int]:
    response = await app.client.get("/labelling", headers=WITH_KEY)
    found = LabellingSummary.model_validate_json(response.content).counts
    return found.waiting, found.labelled


async def test_task_has_the_picture_and_no_answer(running: RunningApp) -> None:
    response = await running.client.get("/labelling/next", headers=WITH_KEY)
    task = NextTask.model_validate_json(response.content).task
    assert task is not None
    [record] = [each for each in RECORDS if each.id == task.record]
    picture = Image.open(io.BytesIO(b64decode(task.picture.partition(",")[2])))
    np.testing.assert_array_equal(np.asarray(picture), record.image)
    assert (task.width, task.height, task.classes) == (4, 4, ("cat", "dog"))
    assert "confidence" not in response.text
    assert "prediction" not in response.text


async def test_labellers_at_once_never_get_the_same_picture(running: RunningApp) -> None:
    responses = await asyncio.gather(
        *(running.client.get("/labelling/next", headers=WITH_KEY if n % 2 else OTHER) for n in range(9))
    )
    tasks = [NextTask.model_validate_json(response.content).task for response in responses]
    ids = [task.id for task in tasks if task is not None]
    assert len(ids) == len(set(ids)) == 6
    assert tasks.count(None) == 3


async def test_label_none_and_skip_take_the_picture_out_of_the_queue(running: RunningApp) -> None:
    first, second, third = [await claim(running) for _ in range(3)]
    result = LabellingResult.model_validate_json((await act(running, first, "label", label="dog")).content)
    assert (result.label, result.is_labelled, result.counts.labelled) == ("dog", True, 1)
    result = LabellingResult.model_validate_json((await act(running, second, "none")).content)
    assert (result.label, result.is_labelled) == (None, True)
    result = LabellingResult.model_validate_json((await act(running, third, "skip")).content)
    assert (result.label, result.is_labelled) == (None, False)

    assert await counts(running) == (4, 2)
    mine = [(await claim(running)).id for _ in range(3)]
    assert third.id not in mine
    assert (await claim(running, OTHER)).id == third.id


async def test_repeated_label_changes_nothing(running: RunningApp) -> None:
    task = await claim(running)
    for _ in range(2):
        assert (await act(running, task, "label", label="cat")).status_code == 200
    assert_problem(await act(running, task, "label", label="dog"), 409, "claim-lost")
    exported = await running.client.get("/feedback/export?history=true", headers=WITH_KEY)
    assert len(exported.text.splitlines()) == 1


async def test_undo_returns_the_picture(running: RunningApp) -> None:
    task = await claim(running)
    await act(running, task, "label", label="cat")
    assert_problem(await act(running, task, "undo", OTHER), 409, "nothing-to-undo")

    undone = LabellingResult.model_validate_json((await act(running, task, "undo")).content)

    assert (undone.label, undone.is_labelled, undone.counts.labelled) == (None, False, 0)
    assert undone.task is not None
    assert (undone.task.id, undone.task.picture) == (task.id, task.picture)
    assert undone.task.claim != task.claim
    assert_problem(await act(running, task, "undo"), 409, "nothing-to-undo")
    assert (await act(running, undone.task, "label", label="dog")).json()["label"] == "dog"


async def test_expired_claim_is_refused(running: RunningApp, broker: Broker) -> None:
    task = await claim(running)
    with broker.client() as client:
        client.flushall()  # as after ten minutes
    assert_problem(await act(running, task, "label", label="cat"), 409, "claim-lost")
    assert await counts(running) == (6, 0)


@pytest.mark.parametrize(
    "body",
    [
        {"action": "label"},
        {"action": "none", "label": "cat"},
        {"action": "label", "label": "zebra", "claim": "x"},
        {"action": "none"},
        {"action": "delete"},
    ],
)
async def test_invalid_actions_are_refused(running: RunningApp, body: dict[str, Any]) -> None:
    task = await claim(running)
    response = await running.client.post(f"/labelling/{task.id}", json=body, headers=WITH_KEY)
    assert_problem(response, 422, "invalid-parameters")


async def test_unknown_pictures_are_not_found(running: RunningApp) -> None:
    for picture_id, status, slug in (("0" * 32, 404, "unknown-picture"), ("a", 422, "invalid-parameters")):
        body = {"action": "skip", "claim": "x"}
        response = await running.client.post(f"/labelling/{picture_id}", json=body, headers=WITH_KEY)
        assert_problem(response, status, slug)


async def test_estimates_follow_from_labels(running: RunningApp) -> None:
    for label in ("cat", "cat", "dog"):
        await act(running, await claim(running), "label", label=label)

    response = await running.client.get("/labelling", headers=WITH_KEY)

    summary = LabellingSummary.model_validate_json(response.content)
    assert summary.observations == 3
    [found] = summary.estimates
    assert (found.model, found.version, found.images) == ("cnn", 1, 3)
    assert found.accuracy.value == pytest.approx(2 / 3)
    assert found.class_recall["dog"].value == 0


async def test_labelling_without_a_broker_says_so(tmp_path: Path) -> None:
    async with running_app(settings_for(tmp_path, api_keys=f"jobs:{'j' * 16}"), ready=False) as app:
        response = await app.client.get("/labelling/next", headers=WITH_KEY)
        assert_problem(response, 503, "jobs-not-configured")
