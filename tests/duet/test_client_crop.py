"""Crop parameter of the client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from duet import Client, InvalidRequestError
from tests.support.gradient_graphs import write_explainable
from tests.support.onnx_models import SIZE
from tests.support.service import service_process

# Black on the left, white on the right: what is answered says which part was seen.
HALVES = Image.fromarray(
    np.repeat([[0] * 40 + [255] * 40], 40, axis=0).astype(np.uint8)[..., np.newaxis].repeat(3, axis=2)
)
LEFT, RIGHT = (0, 0, 40, 40), (40, 0, 40, 40)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    home: Path = tmp_path_factory.mktemp("home")
    write_explainable(home)
    with service_process(home) as service, Client(service.url) as connected:
        yield connected


def test_answers_are_to_the_part(client: Client) -> None:
    assert client.predict_one(HALVES, crop=LEFT).label == "black"
    assert client.predict_one(HALVES, crop=RIGHT).label == "white"
    assert [each.label for each in client.predict(HALVES, HALVES, crop=RIGHT).predictions] == ["white", "white"]
    assert client.compare(HALVES, crop=LEFT).predictions[1].label == "black"


def test_explanations_are_of_the_part(client: Client) -> None:
    left, right = (client.saliency(HALVES, method="input_x_gradient", crop=crop).maps[0] for crop in (LEFT, RIGHT))
    assert left.array().shape == (SIZE, SIZE)
    assert left.flat
    assert left.maximum == 0
    assert right.maximum != 0
    pictures = {client.saliency_picture(HALVES, layout="map", crop=crop, method="occlusion") for crop in (LEFT, None)}
    assert len(pictures) == 2


def test_a_part_that_is_none_is_refused_by_name(client: Client) -> None:
    with pytest.raises(InvalidRequestError, match="not within the image, which has 80x40 pixels"):
        client.predict(HALVES, crop=(41, 0, 40, 40))
