"""Image geometry: every route fits images as the manifest of the version states, as in training."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from core.images.geometry import fit_image
from core.repository.manifest import Geometry
from tests.support.gradient_graphs import write_explainable
from tests.support.labelled_folders import write_labelled_folder
from tests.support.onnx_models import SIZE, write_onnx_version
from tests.support.pictures import encode, noise
from tests.support.service import RunningApp, running_app, set_champions, settings_for
from training.data.image_folder import load_folder

GEOMETRIES: tuple[Geometry, ...] = ("stretch", "crop", "pad")
# White in the middle of black: a mean of 85 stretched, 255 cropped, and with gray bars (3 * 85 + 5 * 128) / 8 = 112.
BANDS_HW = np.repeat([[0] * 8 + [255] * 8 + [0] * 8], 8, axis=0).astype(np.uint8)
BANDS = encode(Image.fromarray(np.stack([BANDS_HW] * 3, axis=-1)), "PNG")
LABELS: Mapping[Geometry, str] = MappingProxyType({"stretch": "dark", "crop": "white", "pad": "grey"})
NOTES: Mapping[Geometry, list[str]] = MappingProxyType(
    {
        "stretch": ["resized from 24x8", "stretched, its proportions differ"],
        "crop": ["cropped to the center square"],
        "pad": ["resized from 24x8", "padded to a square"],
    }
)
PNG = {"content-type": "image/png"}


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[RunningApp]:
    models = tmp_path / "home" / "models"
    for geometry in GEOMETRIES:
        write_onnx_version(models / geometry / "1", geometry, 1, geometry=geometry)
    set_champions(models, stretch=1, crop=1, pad=1)
    async with running_app(settings_for(tmp_path / "home")) as running:
        yield running


async def asked(app: RunningApp, path: str, content: bytes = BANDS, **query: str) -> httpx.Response:
    answer = await app.client.post(path, params=query, content=content, headers=PNG)
    assert answer.status_code == 200, answer.text
    return answer


@pytest.mark.parametrize("geometry", GEOMETRIES)
async def test_predict_uses_the_fitted_image_with_notes(app: RunningApp, geometry: Geometry) -> None:
    [prediction] = (await asked(app, "/predict", model=geometry)).json()["predictions"]
    assert (prediction["label"], prediction["notes"]) == (LABELS[geometry], NOTES[geometry])


async def test_compare_fits_the_image_per_model(app: RunningApp) -> None:
    comparison = (await asked(app, "/compare", models=",".join(GEOMETRIES))).json()
    assert {each["model"]: each["label"] for each in comparison["predictions"]} == LABELS
    assert {each["model"]: each["notes"] for each in comparison["predictions"]} == NOTES


async def test_crop_is_fitted_by_the_geometry(app: RunningApp) -> None:
    comparison = (await asked(app, "/compare", models="stretch,crop", crop="4,0,16,8")).json()
    assert [each["label"] for each in comparison["predictions"]] == ["grey", "white"]
    assert comparison["predictions"][1]["notes"] == ["cropped to 16x8 at 4,0", "cropped to the center square"]


@pytest.mark.parametrize("geometry", GEOMETRIES)
async def test_serving_and_training_give_the_same_pixels(app: RunningApp, tmp_path: Path, geometry: Geometry) -> None:
    folder = write_labelled_folder(tmp_path, "colours", {"snow": 10, "night": 8}, mixed=True)
    stream = io.BytesIO()
    Image.fromarray(noise(40, 70)).resize((1400, 800)).save(stream, "JPEG")  # large enough to be decoded at a fraction
    (folder / "night" / "photograph").write_bytes(stream.getvalue())
    dataset, _ = load_folder("colours", image_size=SIZE, geometry=geometry, home=tmp_path)
    trained = {image_HWC.tobytes() for part in (dataset.training, dataset.test) for image_HWC in part.images_NHWC}
    served = set()
    for file in folder.glob("*/*"):
        view = await asked(app, "/view", file.read_bytes(), model=geometry)
        served.add(np.asarray(Image.open(io.BytesIO(view.content)).convert("RGB")).tobytes())
    assert served == trained
    assert len(served) == 19


@pytest.mark.parametrize("geometry", GEOMETRIES)
async def test_saliency_explains_the_model_input(tmp_path: Path, geometry: Geometry) -> None:
    """The map equals that of the image which the model receives."""
    write_explainable(tmp_path, geometry=geometry)
    pixels_HWC = noise(20, 50)
    shown_HWC = fit_image(pixels_HWC, height=SIZE, width=SIZE, geometry=geometry)
    async with running_app(settings_for(tmp_path)) as app:

        async def maps(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
            query = {"method": "input_x_gradient", "target": "white", "format": "npy"}
            return (await asked(app, "/saliency", encode(Image.fromarray(pixels), "PNG"), **query)).content

        assert await maps(pixels_HWC) == await maps(shown_HWC)
