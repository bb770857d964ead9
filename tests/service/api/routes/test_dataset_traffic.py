"""POST /datasets/{name}/from-traffic: labelled traffic becomes a version of a data set."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.images.labelled_folders import read_folder
from core.schemas.labels import FromTrafficResult
from tests.support.labelled_folders import picture
from tests.support.labels import disputed
from tests.support.problems import assert_problem
from tests.support.service import RunningApp, running_app, settings_for
from tests.support.traffic import captured, write_segment

KEY = {"x-api-key": "j" * 16}
PATH = "/datasets/wild/from-traffic"


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[RunningApp]:
    upload = captured("u", upload=picture("grass", 0))
    write_segment(tmp_path, [*(disputed(name) for name in "abc"), upload])
    async with running_app(settings_for(tmp_path, api_keys=f"jobs:{'j' * 16}"), ready=False) as app:
        yield app


async def label(app: RunningApp, **labels: str | None) -> None:
    body = {"labels": [{"id": name, "label": value} for name, value in labels.items()]}
    assert (await app.client.post("/feedback", json=body, headers=KEY)).json()["unknown"] == []


async def add(app: RunningApp, **body: Any) -> FromTrafficResult:
    response = await app.client.post(PATH, json=body, headers=KEY)
    assert response.status_code == 200, response.text
    return FromTrafficResult.model_validate_json(response.content)


def classes(result: FromTrafficResult) -> dict[str, int]:
    return {each.label: each.images for each in result.dataset.classes}


async def test_labelled_images_become_a_data_set(running: RunningApp, tmp_path: Path) -> None:
    await label(running, a="cat", b="lynx", c=None, u="cat")

    first = await add(running)

    assert (first.added, first.duplicates, first.relabelled, first.edit) == (3, 0, 0, None)
    assert classes(first) == {"cat": 2, "lynx": 1}
    files = read_folder(tmp_path, "wild").files
    with Image.open(files["lynx"][0].path) as stored:
        np.testing.assert_array_equal(np.asarray(stored), disputed("b").image)
    assert picture("grass", 0) in [file.path.read_bytes() for file in files["cat"]]
    again = await add(running)
    assert (again.added, again.duplicates, again.dataset.digest) == (0, 3, first.dataset.digest)


async def test_corrected_labels_move_images_with_an_edit(running: RunningApp) -> None:
    await label(running, a="cat", b="dog")
    first = await add(running)
    await label(running, a="dog", c="cat")

    second = await add(running, reason="a look")

    assert (second.added, second.duplicates, second.relabelled, second.skipped) == (1, 1, 1, 0)
    assert classes(second) == {"cat": 1, "dog": 2}
    assert second.edit is not None
    assert second.edit.reason == "a look"
    assert second.dataset.digest not in (first.dataset.digest, second.edit.digest_before)


async def test_edits_by_hand_that_are_newer_than_the_label_stay(running: RunningApp) -> None:
    await label(running, a="cat", b="cat")
    first = await add(running)
    images = (await running.client.get("/datasets/wild/images", headers=KEY)).json()["images"]
    changes = [{"file": images[0]["file"], "label": "dog"}, {"file": images[1]["file"], "label": None}]
    edited = await running.client.post("/datasets/wild/edits", json={"changes": changes}, headers=KEY)
    assert edited.status_code == 200
    assert first.added == 2

    again = await add(running)

    assert (again.added, again.relabelled, again.skipped) == (0, 0, 2)
    assert {name: number for name, number in classes(again).items() if number} == {"dog": 1}


async def test_without_labels_there_is_no_data_set(running: RunningApp, tmp_path: Path) -> None:
    assert_problem(await running.client.post(PATH, json={}, headers=KEY), 409, "no-labelled-traffic")
    assert not (tmp_path / "datasets" / "wild").exists()
    assert_problem(await running.client.post(PATH, json={}), 401, "key-required")
    problem = await running.client.post("/datasets/cifar10/from-traffic", json={}, headers=KEY)
    assert_problem(problem, 422, "invalid-parameters")
