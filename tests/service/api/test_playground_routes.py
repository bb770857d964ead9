"""Routes of the playground: model input, explanation methods, sample images and crops."""

from __future__ import annotations

import errno
import io
import json
import os
import pickle
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from PIL import Image

from core.images.cifar_reader import find_python_batches, read_test_images
from core.images.geometry import fit_image
from core.repository.manifest import read_manifest
from tests.support.gradient_graphs import write_explainable
from tests.support.onnx_models import SIZE
from tests.support.pictures import encode, noise
from tests.support.problems import assert_problem
from tests.support.service import RunningApp, running_app, settings_for
from tests.support.versions import champion, shipped_folder

SHIPPED = 20
PNG = {"content-type": "image/png"}


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[RunningApp]:
    write_explainable(tmp_path / "home")
    async with running_app(settings_for(tmp_path / "home", data_dir=tmp_path / "data")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_app(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningApp]:
    """The app for tests that change nothing in it."""
    home = tmp_path_factory.mktemp("home")
    write_explainable(home)
    async with running_app(settings_for(home)) as running:
        yield running


def write_samples(folder: Path) -> None:
    folder.mkdir()
    pixels_NHWC = np.stack([noise(8, 8, seed) for seed in range(30)])
    planes_ND = np.ascontiguousarray(pixels_NHWC.transpose(0, 3, 1, 2)).reshape(30, -1)
    (folder / "test_batch").write_bytes(pickle.dumps({"labels": [0] * 20 + [1] * 10, "data": planes_ND}, protocol=2))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": ["cat", "sea lion"]}, protocol=2))


def pixels(png: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"))


async def test_view_is_the_model_input(app: RunningApp) -> None:
    seen_HWC = noise(60, 90)
    answer = await app.client.post(
        "/view",
        params={"model": "mlp", "crop": "30,0,60,60"},
        content=encode(Image.fromarray(seen_HWC), "PNG"),
        headers=PNG,
    )
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.headers["x-duet-model"] == "mlp@1"
    assert json.loads(answer.headers["x-duet-notes"]) == ["cropped to 60x60 at 30,0", "resized from 60x60"]
    np.testing.assert_array_equal(
        pixels(answer.content), fit_image(seen_HWC[:, 30:].copy(), geometry="stretch", height=SIZE, width=SIZE)
    )


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("path", ["/predict", "/compare", "/compare?saliency=saliency", "/saliency?format=json"])
async def test_crop_is_predicted_like_an_image(shared_app: RunningApp, path: str) -> None:
    whole_HWC = noise(50, 70)
    query = dict(pair.split("=") for pair in path.partition("?")[2].split("&") if pair)
    whole, part = (
        encode(Image.fromarray(whole_HWC), "PNG"),
        encode(Image.fromarray(whole_HWC[5:45, 20:60].copy()), "PNG"),
    )

    async def answer(content: bytes, **crop: str) -> dict[str, Any]:
        response = await shared_app.client.post(
            path.partition("?")[0], params={**query, **crop}, content=content, headers=PNG
        )
        assert response.status_code == 200, response.text
        told: dict[str, Any] = response.json()
        for each in [told, *told.get("predictions", [])]:
            for name in ("notes", "timing_ms", "request_id"):
                each.pop(name, None)
        return told

    assert await answer(whole, crop="20,5,40,40") == await answer(part)
    assert await answer(whole) != await answer(part)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("path", ["/predict", "/compare", "/saliency", "/view"])
@pytest.mark.parametrize("crop", ["0,0,71,50", "0,0,0,10", "1,2,3", "-1,0,5,5", "a,b,c,d", ""])
async def test_invalid_crop_is_refused_by_name(shared_app: RunningApp, path: str, crop: str) -> None:
    content = encode(Image.fromarray(noise(50, 70)), "PNG")
    answer = await shared_app.client.post(path, params={"crop": crop}, content=content, headers=PNG)
    problem = assert_problem(answer, 422, "invalid-parameters")
    assert [error["parameter"] for error in problem["errors"]] == ["crop"]


async def test_map_only_image_has_one_panel(app: RunningApp) -> None:
    content = encode(Image.fromarray(noise(SIZE, SIZE)), "PNG")
    beside, alone = [
        (await app.client.post("/saliency", params={"layout": layout}, content=content, headers=PNG)).content
        for layout in ("side_by_side", "map")
    ]
    height, width, _ = pixels(alone).shape
    assert height == width
    np.testing.assert_array_equal(pixels(beside)[:, -width:], pixels(alone))


async def test_feature_map_methods_are_listed_for_convolutions_only(app: RunningApp) -> None:
    answer = (await app.client.get("/saliency", params={"model": "mlp"})).json()
    names = {method["method"] for method in answer["methods"]}
    assert (answer["model"], answer["version"]) == ("mlp", 1)
    assert names == {"saliency", "input_x_gradient", "smoothgrad", "integrated_gradients", "occlusion"}
    for name in names:
        content = encode(Image.fromarray(noise(SIZE, SIZE)), "PNG")
        query = {"model": "mlp", "method": name}
        assert (await app.client.post("/saliency", params=query, content=content, headers=PNG)).status_code == 200


async def test_version_without_gradient_graph_lists_occlusion(tmp_path: Path) -> None:
    write_explainable(tmp_path)
    async with running_app(settings_for(tmp_path)) as app:
        answer = await app.client.get("/saliency", params={"version": 2})
    assert [one["method"] for one in answer.json()["methods"]] == ["occlusion"]


async def test_gradient_graph_load_stops_at_the_deadline(tmp_path: Path) -> None:
    write_explainable(tmp_path)
    async with running_app(settings_for(tmp_path, deadline_seconds=0)) as app:
        assert_problem(await app.client.get("/saliency"), 504, "deadline-exceeded")


@pytest.mark.asyncio(loop_scope="module")
async def test_examples_ship_two_of_each_class(shared_app: RunningApp) -> None:
    examples = (await shared_app.client.get("/samples")).json()["examples"]
    classes = read_manifest(shipped_folder("cnn", champion("cnn"))).class_names
    assert examples == [*classes, *classes]
    shown = [await shared_app.client.get(f"/samples/{index}") for index in range(SHIPPED)]
    assert [each.headers["x-duet-label"] for each in shown] == examples
    assert {pixels(each.content).shape for each in shown} == {(32, 32, 3)}
    assert len({each.content for each in shown}) == SHIPPED


@pytest.mark.cifar10
@pytest.mark.asyncio(loop_scope="module")
async def test_examples_are_the_first_test_images_of_each_class(shared_app: RunningApp) -> None:
    folder = find_python_batches(Path(os.environ["DUET_DATA_DIR"]))
    assert folder
    images = read_test_images(folder)
    first, second = zip(*(np.flatnonzero(np.equal(images.labels_N, label))[:2] for label in range(10)), strict=True)
    for index, place in enumerate([*first, *second]):
        answer = await shared_app.client.get(f"/samples/{index}")
        np.testing.assert_array_equal(pixels(answer.content), images.pixels_NHWC[place])


async def test_samples_have_images_and_labels(app: RunningApp, tmp_path: Path) -> None:
    write_samples(tmp_path / "data")
    assert (await app.client.get("/samples")).json()["count"] == SHIPPED + 3
    answer = await app.client.get(f"/samples/{SHIPPED + 2}")
    assert (answer.headers["content-type"], answer.headers["x-duet-label"]) == ("image/png", "sea%20lion")
    np.testing.assert_array_equal(pixels(answer.content), noise(8, 8, 20))
    assert_problem(await app.client.get(f"/samples/{SHIPPED + 3}"), 404, "no-such-sample")


async def test_samples_without_dataset_are_the_shipped_ones(app: RunningApp, tmp_path: Path) -> None:
    assert (await app.client.get("/samples")).json()["count"] == SHIPPED
    assert_problem(await app.client.get(f"/samples/{SHIPPED}"), 404, "no-such-sample")
    write_samples(tmp_path / "data")
    assert (await app.client.get("/samples")).json()["count"] == SHIPPED + 3


async def test_damaged_data_adds_no_samples(app: RunningApp, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_samples(tmp_path / "data")
    (tmp_path / "data" / "test_batch").write_bytes(b"not this")
    assert (await app.client.get("/samples")).json()["count"] == SHIPPED
    assert "sample images are not available" in caplog.text


async def test_unreadable_data_folder_is_logged_once(
    app: RunningApp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def forbidden(path: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("core.images.cifar_reader.Path.is_file", forbidden)
    for _ in range(2):
        assert (await app.client.get("/samples")).json()["count"] == SHIPPED
    assert caplog.text.count("test_batch (Permission denied)") == 1
