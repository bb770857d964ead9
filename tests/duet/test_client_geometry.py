"""Image geometry of the client: as for curl and the page, the service fits the image as the manifest states."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from core.repository.manifest import Geometry
from core.schemas.api import CompareResponse, PredictResponse
from duet import Client
from tests.support.onnx_models import write_onnx_version
from tests.support.pictures import encode
from tests.support.service import ServiceProcess, service_process, set_champions

pytestmark = pytest.mark.slow
GEOMETRIES: tuple[Geometry, ...] = ("stretch", "crop", "pad")
# White in the middle of black, three times as wide as high: each geometry gives another mean, and so another label.
BANDS_HWC = np.repeat(np.repeat([[0] * 8 + [255] * 8 + [0] * 8], 8, axis=0)[..., None], 3, axis=2).astype(np.uint8)
BANDS = encode(Image.fromarray(BANDS_HWC), "PNG")
LABELS = {"stretch": "dark", "crop": "white", "pad": "grey"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    home = tmp_path_factory.mktemp("home")
    for geometry in GEOMETRIES:
        write_onnx_version(home / "models" / geometry / "1", geometry, 1, geometry=geometry)
    set_champions(home / "models", stretch=1, crop=1, pad=1)
    with service_process(home) as running:
        yield running


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_client_curl_and_page_get_the_same_prediction(
    service: ServiceProcess, tmp_path: Path, geometry: Geometry
) -> None:
    path = tmp_path / "bands.png"
    path.write_bytes(BANDS)
    url = f"{service.url}/predict?model={geometry}"
    with Client(service.url) as client:
        found = [
            client.predict_one(image, model=geometry)
            for image in (path, BANDS, BANDS_HWC, Image.open(io.BytesIO(BANDS)))
        ]
        found += client.compare(path, models=GEOMETRIES).predictions[GEOMETRIES.index(geometry) :][:1]
    # curl -F file=@bands.png, curl --data-binary @bands.png, and the request of the playground
    answers = [
        httpx.post(url, files={"file": ("bands.png", BANDS)}),
        httpx.post(url, content=BANDS, headers={"content-type": "image/png"}),
    ]
    found += [PredictResponse.model_validate_json(answer.content).predictions[0] for answer in answers]
    page = httpx.post(f"{service.url}/compare?models={geometry},stretch", files={"file": ("bands.png", BANDS)})
    found += CompareResponse.model_validate_json(page.content).predictions[:1]
    assert {(one.label, one.probability, one.notes) for one in found} == {
        (LABELS[geometry], found[0].probability, found[0].notes)
    }
    with Client(service.url) as client:
        manifest = client.version(geometry, 1).manifest
    assert manifest.input.geometry == geometry
