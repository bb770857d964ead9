"""Images, thumbnails, edits and reports of data sets."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.images.labelled_folders import read_folder
from core.schemas.dataset_edits import DatasetEditResult, DatasetEdits, DatasetImages
from core.schemas.dataset_reports import DatasetReport, DatasetReportStatus
from tests.support.labelled_folders import picture, write_labelled_folder
from tests.support.problems import assert_problem
from tests.support.service import RunningApp, running_app, settings_for

KEY = {"x-api-key": "j" * 16}
COLORS = "/datasets/colors"


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[RunningApp]:
    write_labelled_folder(tmp_path, "colors", {"grass": 6, "night": 5})
    settings = settings_for(tmp_path, api_keys=f"jobs:{KEY['x-api-key']}", max_body_bytes=50_000, max_pixels=20_000)
    async with running_app(settings, ready=False) as app:
        yield app


async def images(running: RunningApp, **query: Any) -> DatasetImages:
    answer = await running.client.get(f"{COLORS}/images", params=query, headers=KEY)
    assert answer.status_code == 200, answer.text
    return DatasetImages.model_validate_json(answer.content)


async def edit(running: RunningApp, **labels: str | None) -> Any:
    changes = [{"file": file.replace("_", "/"), "label": label} for file, label in labels.items()]
    return await running.client.post(f"{COLORS}/edits", json={"changes": changes, "reason": "look"}, headers=KEY)


async def report(running: RunningApp) -> DatasetReport:
    while True:
        answer = await running.client.get(f"{COLORS}/report", headers=KEY)
        status = DatasetReportStatus.model_validate_json(answer.content)
        assert status.state != "failed", status.error
        if status.report is not None:
            return status.report
        await asyncio.sleep(0.05)


async def test_images_are_listed_in_pages(running: RunningApp) -> None:
    first = await images(running, limit=4)
    assert (first.total, [image.file for image in first.images]) == (11, [f"grass/{n:04}" for n in range(4)])
    last = await images(running, label="night", offset=4, limit=4)
    assert (last.total, [image.file for image in last.images]) == (5, ["night/0004"])


async def test_edit_makes_a_version_and_is_undone(running: RunningApp, tmp_path: Path) -> None:
    before = (await running.client.get(COLORS)).json()["digest"]
    answer = await edit(running, grass_0001=None, grass_0002="night")
    made = DatasetEditResult.model_validate_json(answer.content)
    assert {one.label: one.images for one in made.dataset.classes} == {"grass": 4, "night": 6}
    assert made.edit is not None
    assert (made.edit.digest_before, made.edit.digest, made.edit.reason) == (before, made.dataset.digest, "look")
    assert (await running.client.get(COLORS)).json()["digest"] == made.dataset.digest
    removed = await images(running, removed="true")
    assert [(image.file, image.label) for image in removed.images] == [("grass/0001", "grass")]
    assert "grass/0002" in [image.file for image in (await images(running, label="night")).images]
    restored = DatasetEditResult.model_validate_json(
        (await edit(running, grass_0001="grass", grass_0002="grass")).content
    )
    assert restored.dataset.digest == before
    edits = DatasetEdits.model_validate_json((await running.client.get(f"{COLORS}/edits?limit=1", headers=KEY)).content)
    assert (edits.total, edits.edits) == (2, (restored.edit,))
    assert (tmp_path / "datasets/colors/grass/0001").read_bytes() == picture("grass", 1)


async def test_removed_image_is_not_added_again_by_an_upload(running: RunningApp, tmp_path: Path) -> None:
    send: dict[str, Any] = {
        "params": {"label": "night"},
        "content": picture("night", 9),
        "headers": KEY | {"content-type": "image/png"},
    }
    await running.client.post(COLORS, **send)
    [added] = {file.name for file in read_folder(tmp_path, "colors").files["night"]} - {
        f"night/{n:04}" for n in range(5)
    }
    assert (await edit(running, **{added: None})).status_code == 200
    refused = await running.client.post(COLORS, **send)
    assert "restore it" in assert_problem(refused, 422, "no-usable-image")["detail"]


async def test_thumbnail_shows_the_whole_image(running: RunningApp, tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (80, 40), (255, 0, 0)).save(stream, "PNG")
    (tmp_path / "datasets/colors/night/a b.png").write_bytes(stream.getvalue())
    answer = await running.client.get(f"{COLORS}/thumbnail", params={"file": "night/a b.png"}, headers=KEY)
    assert answer.headers["content-type"] == "image/jpeg"
    pixels_HWC = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert pixels_HWC.shape == (160, 160, 3)
    assert pixels_HWC[80, 80].tolist() == pytest.approx([255, 0, 0], abs=6)
    assert pixels_HWC[10, 80].tolist() == pytest.approx([128, 128, 128], abs=6)


@pytest.mark.parametrize(
    "file", ["night/9", "../colors/night/0001", "/etc/passwd", ".edits.jsonl", "night", "link/0001"]
)
async def test_thumbnail_reads_only_files_of_the_data_set(running: RunningApp, tmp_path: Path, file: str) -> None:
    await edit(running, grass_0001=None)
    (tmp_path / "datasets/colors/link").symlink_to(tmp_path / "datasets/colors/night")
    answer = await running.client.get(f"{COLORS}/thumbnail", params={"file": file}, headers=KEY)
    assert_problem(answer, 404, "unknown-image")


async def test_thumbnail_of_an_unusable_file_is_refused_with_its_reason(running: RunningApp, tmp_path: Path) -> None:
    night = tmp_path / "datasets/colors/night"
    (night / "cut.png").write_bytes(picture("night", 0)[:300])
    (night / "large.bmp").write_bytes(bytes(50_001))
    stream = io.BytesIO()
    Image.new("RGB", (200, 200)).save(stream, "PNG")
    (night / "pixels.png").write_bytes(stream.getvalue())
    for file, words in (("cut.png", "truncated"), ("large.bmp", "50,000 bytes"), ("pixels.png", "pixels")):
        answer = await running.client.get(f"{COLORS}/thumbnail", params={"file": f"night/{file}"}, headers=KEY)
        assert words in assert_problem(answer, 422, "unreadable-image")["detail"]


async def test_report_is_made_once_for_each_version(running: RunningApp, tmp_path: Path) -> None:
    folder = tmp_path / "datasets/colors"
    (folder / "night/broken.png").write_bytes(b"not an image")
    (folder / "night/copy").write_bytes(picture("grass", 0))
    found = await report(running)
    assert (found.images, found.unreadable) == (12, 1)
    assert found.unreadable_files[0].file == "night/broken.png"
    assert [(group.exact, group.labels_differ) for group in found.duplicates] == [(True, True)]
    written = (folder / ".report.json").stat().st_mtime_ns
    assert await report(running) == found
    assert (folder / ".report.json").stat().st_mtime_ns == written
    await edit(running, **{"night_copy": None, "night_broken.png": None})
    corrected = await report(running)
    assert (corrected.images, corrected.unreadable, corrected.duplicates) == (11, 0, ())
    assert corrected.digest != found.digest


async def test_failed_report_names_the_problem_without_paths(
    running: RunningApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.datasets.reports.REPORT_SECONDS", 0.0)
    answer: dict[str, Any] = {"state": "running"}
    while answer["state"] == "running":
        answer = (await running.client.get(f"{COLORS}/report", headers=KEY)).json()
    assert answer["state"] == "failed"
    assert "took longer" in answer["error"]
    assert str(tmp_path) not in answer["error"]


async def test_images_and_edits_need_a_key(running: RunningApp) -> None:
    for path in ("images", "thumbnail?file=night/0001", "edits", "report"):
        assert_problem(await running.client.get(f"{COLORS}/{path}"), 401, "key-required")
    refused = await running.client.post(f"{COLORS}/edits", json={"changes": [{"file": "night/0001", "label": None}]})
    assert_problem(refused, 401, "key-required")


async def test_bad_edits_are_refused(running: RunningApp) -> None:
    assert_problem(await edit(running, night_9=None), 404, "unknown-image")
    assert "slashes" in assert_problem(await edit(running, night_0001="a/b"), 422, "invalid-parameters")["detail"]
    twice = [{"file": "night/0001", "label": None}, {"file": "night/0001", "label": "grass"}]
    answer = await running.client.post(f"{COLORS}/edits", json={"changes": twice}, headers=KEY)
    assert "several changes" in assert_problem(answer, 422, "invalid-parameters")["detail"]
    missing = await running.client.post(f"{COLORS}/edits", json={"changes": [{"file": "night/0001"}]}, headers=KEY)
    assert "label" in assert_problem(missing, 422, "invalid-parameters")["detail"]
    for method, path in (("GET", "images"), ("GET", "report"), ("GET", "edits"), ("GET", "thumbnail?file=x")):
        answer = await running.client.request(method, f"/datasets/cifar10/{path}", headers=KEY)
        assert "built-in" in assert_problem(answer, 422, "invalid-parameters")["detail"]
    assert_problem(await running.client.get("/datasets/none/images", headers=KEY), 404, "unknown-dataset")
