"""`tta=true`: predictions averaged over views of the image, with separate thresholds."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from core.images.decode import decode_image
from core.images.tta_views import averaged, views
from core.repository.graph_records import AveragedViewsRecord, Calibration
from core.repository.onnx_session import open_session
from core.schemas.api import Prediction
from core.statistics.calibration import softmax
from core.statistics.energy import energy
from core.statistics.intervals import ConfidenceInterval
from tests.support.onnx_models import CLASSES, SIZE, gray_png, write_onnx_version
from tests.support.pictures import encode, noise
from tests.support.problems import assert_problem
from tests.support.service import RunningApp, set_champions, write_home

RAW = {"content-type": "image/png"}
OF_AVERAGES = Calibration(
    temperature=3.0, coverage=0.8, conformal_threshold=0.05, ood_threshold=-2.5, ood_flag_rate=0.05
)
RECORD = AveragedViewsRecord(
    views=6,
    calibration=OF_AVERAGES,
    test_accuracy=ConfidenceInterval(value=0.9, low=0.8, high=1.0),
    test_log_loss=0.3,
    test_ece=0.02,
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Champion cnn@2 has thresholds for averaged logits, champion mlp@1 has none."""
    models = write_home(tmp_path)
    write_onnx_version(models / "cnn" / "2", "cnn", 2, averaged_views={"fp32": RECORD})
    set_champions(models, cnn=2, mlp=1)
    return tmp_path


def picture() -> bytes:
    """An image of which every view looks different."""
    return encode(Image.fromarray(noise(SIZE, SIZE)), "PNG")


async def test_tta_averages_views_with_its_own_thresholds(running: RunningApp, home: Path) -> None:
    answer = await running.client.post("/predict?tta=true&top_k=10", content=picture(), headers=RAW)
    assert answer.status_code == 200, answer.text
    prediction = Prediction.model_validate(answer.json()["predictions"][0])
    pixels = decode_image(picture(), height=SIZE, width=SIZE).pixels_HWC[None]
    session = open_session(home / "models" / "cnn" / "2" / "model.onnx", threads=1)
    logits_NK = averaged([session.run(["logits"], {"images": view})[0] for view in views(pixels)])
    probabilities_K = softmax(logits_NK, OF_AVERAGES.temperature)[0]
    assert {one.label: one.probability for one in prediction.top} == pytest.approx(
        dict(zip(CLASSES, probabilities_K.tolist(), strict=True)), abs=2e-5
    )
    assert (prediction.coverage, prediction.out_of_distribution.threshold) == (0.8, -2.5)
    assert prediction.out_of_distribution.score == pytest.approx(float(energy(logits_NK)[0]), abs=1e-4)
    assert prediction.notes[-1] == "average of 6 views"


async def test_default_prediction_uses_one_view(running: RunningApp) -> None:
    plain, explicit = [
        (await running.client.post(f"/predict{query}", content=picture(), headers=RAW)).json()["predictions"]
        for query in ("", "?tta=false")
    ]
    assert plain == explicit
    assert plain[0]["coverage"] != 0.8
    assert plain[0]["notes"] == []


async def test_tta_of_several_images_keeps_the_order(running: RunningApp) -> None:
    files = [("file", (f"{gray}.png", gray_png(gray), "image/png")) for gray in (20, 200, 96)]
    together = (await running.client.post("/predict?tta=true", files=files)).json()["predictions"]
    for file, one in zip(files, together, strict=True):
        alone = (await running.client.post("/predict?tta=true", files=[file])).json()["predictions"]
        assert alone == [one]


async def test_version_without_tta_calibration_gives_advice(running: RunningApp) -> None:
    answer = await running.client.post("/predict?model=mlp&tta=true", content=picture(), headers=RAW)
    assert_problem(answer, 409, "views-not-measured")
    assert "duet export mlp@1" in answer.json()["detail"]
