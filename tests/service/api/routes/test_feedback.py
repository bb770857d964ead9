"""POST /feedback and GET /feedback/export."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.schemas.labels import FeedbackResult
from service.labels.files import LabelWriter
from tests.support.problems import assert_problem
from tests.support.service import RunningApp, running_app, settings_for
from tests.support.traffic import captured, write_segment

FEEDBACK, JOBS = {"x-api-key": "f" * 16}, {"x-api-key": "j" * 16}
KEYS = f"feedback:{'f' * 16},jobs:{'j' * 16}"


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[RunningApp]:
    write_segment(tmp_path, [captured("a"), captured("m", index=1, images=2)])
    async with running_app(settings_for(tmp_path, api_keys=KEYS), ready=False) as app:
        yield app


async def send(app: RunningApp, labels: list[dict[str, Any]], **headers: str) -> httpx.Response:
    return await app.client.post("/feedback", json={"labels": labels}, headers=headers or FEEDBACK)


async def export(app: RunningApp, **query: Any) -> list[dict[str, Any]]:
    response = await app.client.get("/feedback/export", params=query, headers=JOBS)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("application/jsonl")
    return [json.loads(line) for line in response.text.splitlines()]


async def test_labels_are_stored_and_unknown_ids_named(running: RunningApp) -> None:
    labels: list[dict[str, Any]] = [
        {"id": "a", "label": "dog"},
        {"id": "m~1", "label": None},
        {"id": "m", "label": "cat"},
    ]
    response = await send(running, labels)
    assert FeedbackResult.model_validate_json(response.content) == FeedbackResult(
        stored=2, unchanged=0, unknown=("m",), new_classes=()
    )
    assert (await send(running, labels)).json()["unchanged"] == 2

    exported = await export(running)

    assert [(line["id"], line["label"], line["is_current"]) for line in exported] == [
        ("a", "dog", True),
        ("m~1", None, True),
    ]
    assert exported[0]["source"] == "feedback"
    assert exported[0]["by"].endswith("(feedback)")
    assert exported[0]["answers"][0]["label"] == "cat"


async def test_history_has_corrected_labels(running: RunningApp) -> None:
    await send(running, [{"id": "a", "label": "dog"}])
    await send(running, [{"id": "a", "label": "cat"}])

    assert [line["label"] for line in await export(running)] == ["cat"]
    assert [(line["label"], line["is_current"]) for line in await export(running, history=True)] == [
        ("dog", False),
        ("cat", True),
    ]


async def test_scope_feedback_only_sends_labels(running: RunningApp) -> None:
    assert (await running.client.get("/session", headers=FEEDBACK)).json()["scopes"] == ["predict", "feedback"]
    assert_problem(await running.client.get("/feedback/export", headers=FEEDBACK), 403, "scope-required")
    assert_problem(await running.client.get("/labelling", headers=FEEDBACK), 403, "scope-required")
    assert_problem(await running.client.post("/feedback", json={}), 401, "key-required")
    assert (await send(running, [{"id": "a", "label": "cat"}], **JOBS)).status_code == 200


@pytest.mark.parametrize(
    ("labels", "field"),
    [
        ([], "labels"),
        ([{"id": "a"}], "labels.0.label"),
        ([{"id": "", "label": "cat"}], "labels.0.id"),
        ([{"id": "a", "label": "../x"}], "labels.0.label"),
        ([{"id": "a", "label": "cat"}, {"id": "a", "label": "dog"}], "labels.1.id"),
        ([{"id": "a", "label": "x" * 101}], "labels.0.label"),
        ([{"id": str(n), "label": "x"} for n in range(501)], "labels"),
    ],
)
async def test_invalid_labels_are_refused_whole(running: RunningApp, labels: list[Any], field: str) -> None:
    problem = assert_problem(await send(running, labels), 422, "invalid-parameters")
    assert field in json.dumps(problem)
    assert await export(running, history=True) == []


async def test_huge_body_is_refused(running: RunningApp) -> None:
    labels = [{"id": "i" * 150, "label": "l" * 90} for _ in range(450)]
    assert_problem(await send(running, labels), 413, "body-too-large")


async def test_full_disk_is_an_error_and_nothing_is_stored(
    running: RunningApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(LabelWriter, "append", full)
        assert_problem(await send(running, [{"id": "a", "label": "dog"}]), 507, "storage-full")

    assert (await send(running, [{"id": "a", "label": "dog"}])).json()["stored"] == 1
