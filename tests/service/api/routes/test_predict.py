from __future__ import annotations

import numpy as np
import pytest

from core.schemas.api import PredictResponse
from core.statistics.calibration import softmax
from core.statistics.energy import energy
from tests.support.onnx_models import CLASSES, brightness_of, expected_logits, gray_png
from tests.support.service import RunningApp

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("label", CLASSES)
async def test_predict_names_the_class(shared: RunningApp, label: str) -> None:
    answer = await shared.client.post("/predict", files={"file": ("a.png", gray_png(brightness_of(label)))})
    assert answer.status_code == 200
    [prediction] = PredictResponse.model_validate_json(answer.content).predictions
    assert (prediction.label, prediction.filename, prediction.model, prediction.version) == (label, "a.png", "cnn", 1)


async def test_response_figures_follow_from_the_logits(shared: RunningApp) -> None:
    answer = await shared.client.post("/predict?top_k=2", files={"file": ("a.png", gray_png(96))})
    [prediction] = PredictResponse.model_validate_json(answer.content).predictions

    logits_K = expected_logits(96)
    probabilities_K = softmax(logits_K, temperature=1.25)
    best = np.argsort(-probabilities_K)
    assert [one.label for one in prediction.top] == [CLASSES[k] for k in best[:2]]
    assert [one.probability for one in prediction.top] == pytest.approx(probabilities_K[best[:2]], abs=2e-6)
    assert prediction.probability == prediction.top[0].probability
    assert prediction.prediction_set == tuple(CLASSES[k] for k in best if probabilities_K[k] >= 0.2)
    assert len(prediction.prediction_set) == 2
    assert prediction.coverage == 0.9
    assert prediction.out_of_distribution.score == pytest.approx(float(energy(logits_K)), abs=1e-4)
    assert prediction.out_of_distribution.threshold == -1.0
    assert prediction.out_of_distribution.flag is (float(energy(logits_K)) > -1.0)
    assert prediction.precision == "fp32"


async def test_out_of_distribution_image_is_flagged(shared: RunningApp) -> None:
    black = await shared.client.post("/predict", content=gray_png(0), headers={"content-type": "image/png"})
    white = await shared.client.post("/predict", content=gray_png(255), headers={"content-type": "image/png"})
    flags = [answer.json()["predictions"][0]["out_of_distribution"]["flag"] for answer in (black, white)]
    assert flags == [True, False]


async def test_several_files_are_answered_in_order(shared: RunningApp) -> None:
    grays = [255, 0, 128, 64, 191, 0]
    files = [("file", (f"{i}.png", gray_png(gray))) for i, gray in enumerate(grays)]
    answer = await shared.client.post("/predict?model=mlp", files=files)
    predictions = answer.json()["predictions"]
    assert [one["filename"] for one in predictions] == [f"{i}.png" for i in range(6)]
    opposite = {255: "black", 0: "white", 128: "grey", 64: "light", 191: "dark"}
    assert [one["label"] for one in predictions] == [opposite[gray] for gray in grays]


@pytest.mark.parametrize("content_type", ["image/png", "image/jpeg", "application/octet-stream", "IMAGE/PNG; a=b"])
async def test_raw_body_is_one_image(shared: RunningApp, content_type: str) -> None:
    answer = await shared.client.post("/predict", content=gray_png(64), headers={"content-type": content_type})
    assert answer.status_code == 200
    [prediction] = answer.json()["predictions"]
    assert (prediction["label"], prediction["filename"]) == ("dark", None)


async def test_response_has_timings_and_request_id(shared: RunningApp) -> None:
    headers = {"content-type": "image/png", "x-request-id": "my-id-7"}
    answer = await shared.client.post("/predict", content=gray_png(64), headers=headers)
    timing = answer.json()["timing_ms"]
    assert answer.json()["request_id"] == answer.headers["x-request-id"] == "my-id-7"
    assert all(timing[part] >= 0 for part in ("decode", "queue", "inference"))
    assert timing["total"] >= timing["decode"] + timing["queue"] + timing["inference"]


async def test_top_k_beyond_the_classes_lists_all(shared: RunningApp) -> None:
    answer = await shared.client.post("/predict?top_k=1000", files={"file": gray_png(64)})
    assert [one["label"] for one in answer.json()["predictions"][0]["top"]][:1] == ["dark"]
    assert len(answer.json()["predictions"][0]["top"]) == len(CLASSES)
