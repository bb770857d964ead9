"""Explanations and crops of the client."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.repository.manifest import GRADIENT_GRAPH
from duet import Client, ConflictError, InvalidRequestError
from service.saliency.render import GAP
from tests.support.gradient_graphs import expected_slope, write_explainable
from tests.support.onnx_models import SIZE, gray_png
from tests.support.service import ServiceProcess, service_process

METHODS = ("saliency", "integrated_gradients", "occlusion")
# Black on the left, white on the right: what is answered says which part was seen.
HALVES = Image.fromarray(
    np.repeat([[0] * 40 + [255] * 40], 40, axis=0).astype(np.uint8)[..., np.newaxis].repeat(3, axis=2)
)
LEFT, RIGHT = (0, 0, 40, 40), (40, 0, 40, 40)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    home = tmp_path_factory.mktemp("home")
    write_explainable(home)
    with service_process(home) as running:
        yield running


@pytest.fixture
def client(service: ServiceProcess) -> Iterator[Client]:
    with Client(service.url) as connected:
        yield connected


def size_of(png: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(png)) as image:
        image.load()
        assert image.format == "PNG"
        return image.size


def test_saliency_returns_arrays_and_metadata(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "rex.png"
    path.write_bytes(gray_png(200))
    answer = client.saliency(path, method=METHODS, target="light", steps=4, window=2, stride=1, baseline="white")
    assert (answer.model, answer.version, answer.filename) == ("cnn", 1, "rex.png")
    assert (answer.target.label, answer.target.index) == ("light", 3)
    saliency, integrated, occlusion = answer.maps
    assert [one.method for one in answer.maps] == list(METHODS)
    assert saliency.array().dtype == np.float32
    np.testing.assert_allclose(saliency.array(), np.full((SIZE, SIZE), expected_slope(3)), rtol=1e-5)
    assert saliency.flat
    assert integrated.parameters == {"steps": 4, "baseline": "white"}
    assert integrated.completeness
    assert integrated.array().sum() == pytest.approx(integrated.completeness.attributed, rel=1e-4)
    assert occlusion.parameters == {"window": 2, "stride": 1, "baseline": "white"}
    assert answer.timing_ms.total > 0


def test_saliency_sends_every_option(client: Client) -> None:
    told = client.saliency(gray_png(9), method="smoothgrad", samples=3, noise=0.2, seed=7, target=0)
    assert told.maps[0].parameters == {"samples": 3, "noise": 0.2, "seed": 7}
    assert told.target.label == "black"
    other = client.saliency(gray_png(0), model="mlp", version=1)
    assert (other.model, other.version, other.predicted, other.target.label) == ("mlp", 1, "white", "white")


def test_saliency_picture_is_a_png(client: Client) -> None:
    pixels_HWC = np.full((8, 8, 3), 90, np.uint8)
    side, gap = 256, GAP
    assert size_of(client.saliency_picture(pixels_HWC)) == (2 * side + gap, side)
    assert size_of(client.saliency_picture(pixels_HWC, method=METHODS[:2])) == (3 * side + 2 * gap, side)
    blended = client.saliency_picture(pixels_HWC, method=METHODS[:2], layout="blend", target="white", model="mlp")
    assert size_of(blended) == (2 * side + gap, side)


def test_compare_with_saliency_has_maps_and_png(client: Client) -> None:
    assert client.compare(gray_png(0)).saliency is None
    answer = client.compare(gray_png(0), saliency=METHODS[:2], steps=5, layout="blend")
    assert answer.saliency
    assert [(one.model, one.target.label) for one in answer.saliency] == [("mlp", "white"), ("cnn", "black")]
    mlp, cnn = answer.saliency
    assert [one.method for one in cnn.maps] == list(METHODS[:2])
    assert mlp.maps[1].parameters["steps"] == 5
    assert cnn.maps[0].array().shape == (SIZE, SIZE)
    assert size_of(mlp.png()) == (2 * 256 + GAP, 256)
    alone = client.saliency_picture(gray_png(0), model="mlp", method=METHODS[:2], steps=5, layout="blend")
    assert mlp.png() == alone


def test_invalid_explanations_raise_with_alternatives(client: Client) -> None:
    with pytest.raises(InvalidRequestError) as unfit:
        client.saliency(gray_png(9), model="mlp", method="grad_cam")
    assert "saliency" in unfit.value.fields["available"]
    assert unfit.value.type == "urn:duet:problem:method-does-not-fit"
    with pytest.raises(InvalidRequestError) as neither:
        client.compare(gray_png(9), saliency=["saliency", "grad_cam"])
    assert "grad_cam" not in neither.value.fields["available"]
    with pytest.raises(InvalidRequestError) as unknown:
        client.saliency_picture(gray_png(9), target="tiger")
    assert unknown.value.fields["classes"][0] == "black"
    with pytest.raises(InvalidRequestError, match="'lime' is not a method"):
        client.saliency(gray_png(9), method="lime")
    with pytest.raises(InvalidRequestError, match="together with `saliency`"):
        client.compare(gray_png(9), steps=3)
    with pytest.raises(ConflictError, match=f"no {GRADIENT_GRAPH}"):
        client.saliency(gray_png(9), version=2)


def test_crop_limits_predictions(client: Client) -> None:
    assert client.predict_one(HALVES, crop=LEFT).label == "black"
    assert client.predict_one(HALVES, crop=RIGHT).label == "white"
    assert [each.label for each in client.predict(HALVES, HALVES, crop=RIGHT).predictions] == ["white", "white"]
    assert client.compare(HALVES, crop=LEFT).predictions[1].label == "black"


def test_crop_limits_explanations(client: Client) -> None:
    left, right = (client.saliency(HALVES, method="input_x_gradient", crop=crop).maps[0] for crop in (LEFT, RIGHT))
    assert left.array().shape == (SIZE, SIZE)
    assert left.flat
    assert left.maximum == 0
    assert right.maximum != 0
    pictures = {client.saliency_picture(HALVES, layout="map", crop=crop, method="occlusion") for crop in (LEFT, None)}
    assert len(pictures) == 2


def test_crop_outside_the_image_raises(client: Client) -> None:
    with pytest.raises(InvalidRequestError, match="not within the image, which has 80x40 pixels"):
        client.predict(HALVES, crop=(41, 0, 40, 40))
