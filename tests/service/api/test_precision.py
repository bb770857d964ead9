"""Selection of the precision of a version, with its calibration."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.repository.manifest import Precision
from core.schemas.api import Prediction
from core.statistics.calibration import softmax
from core.statistics.energy import energy
from tests.support.onnx_models import CALIBRATIONS, CLASSES, expected_logits, gray_png, write_onnx_version
from tests.support.problems import assert_problem
from tests.support.service import RunningApp, running_app, set_champions, settings_for, until, write_int8_home

RAW = {"content-type": "image/png"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_int8_home(tmp_path)
    return tmp_path


@pytest.fixture
async def by_default_int8(home: Path) -> AsyncIterator[RunningApp]:
    async with running_app(settings_for(home, precision="int8")) as app:
        yield app


async def predicted(running: RunningApp, query: str = "", gray: int = 96) -> Prediction:
    answer = await running.client.post(f"/predict{query}", content=gray_png(gray), headers=RAW)
    assert answer.status_code == 200, answer.text
    return Prediction.model_validate(answer.json()["predictions"][0])


def assert_answered_by(prediction: Prediction, precision: Precision, gray: int = 96) -> None:
    """Every value is that of this graph with its own calibration, and the response names the precision."""
    calibration = CALIBRATIONS[precision]
    logits_K = expected_logits(gray, precision)
    probabilities_K = softmax(logits_K, calibration.temperature)
    best = np.argsort(-probabilities_K)
    assert prediction.precision == precision
    assert [one.label for one in prediction.top] == [CLASSES[k] for k in best[:3]]
    # The graph adds up 192 products in float32.
    assert [one.probability for one in prediction.top] == pytest.approx(probabilities_K[best[:3]].tolist(), abs=2e-5)
    inside = probabilities_K[best] >= calibration.conformal_threshold
    assert prediction.prediction_set == tuple(CLASSES[k] for k in best[inside])
    assert prediction.coverage == calibration.coverage
    assert prediction.out_of_distribution.threshold == calibration.ood_threshold
    assert prediction.out_of_distribution.score == pytest.approx(float(energy(logits_K)), abs=1e-4)


def test_fp32_and_int8_test_graphs_differ() -> None:
    fp32, int8 = (
        softmax(expected_logits(96, precision), CALIBRATIONS[precision].temperature) for precision in CALIBRATIONS
    )
    assert np.abs(np.subtract(fp32, int8)).max() > 0.05
    assert np.abs(expected_logits(96) - expected_logits(96, "int8")).max() > 0.5


async def test_default_precision_is_fp32(running: RunningApp) -> None:
    assert_answered_by(await predicted(running), "fp32")
    assert_answered_by(await predicted(running, "?precision=fp32"), "fp32")
    assert_answered_by(await predicted(running, "?precision=int8"), "int8")
    assert_answered_by(await predicted(running, "?version=2&precision=int8"), "int8")


async def test_precision_setting_int8_applies_to_versions_with_it(by_default_int8: RunningApp) -> None:
    assert_answered_by(await predicted(by_default_int8), "int8")
    assert_answered_by(await predicted(by_default_int8, "?precision=fp32"), "fp32")
    assert_answered_by(await predicted(by_default_int8, "?version=1"), "fp32")
    assert (await predicted(by_default_int8, "?model=mlp")).precision == "fp32"


async def test_compare_uses_the_precision(running: RunningApp, by_default_int8: RunningApp) -> None:
    async def precisions(app: RunningApp, query: str) -> list[tuple[str, str]]:
        answer = await app.client.post(f"/compare{query}", content=gray_png(96), headers=RAW)
        assert answer.status_code == 200, answer.text
        return [(one["model"], one["precision"]) for one in answer.json()["predictions"]]

    assert await precisions(running, "") == [("mlp", "fp32"), ("cnn", "fp32")]
    assert await precisions(by_default_int8, "") == [("mlp", "fp32"), ("cnn", "int8")]
    assert await precisions(running, "?models=cnn,cnn@2&precision=int8") == [("cnn", "int8")] * 2


@pytest.mark.parametrize(
    ("path", "available"),
    [
        ("/predict?model=mlp&precision=int8", ["fp32"]),
        ("/predict?version=1&precision=int8", ["fp32"]),
        ("/compare?precision=int8", ["fp32"]),
    ],
)
async def test_unpublished_precision_is_404_with_available(
    running: RunningApp, by_default_int8: RunningApp, path: str, available: list[str]
) -> None:
    for app in (running, by_default_int8):
        answer = await app.client.post(path, content=gray_png(96), headers=RAW)
        problem = assert_problem(answer, 404, "precision-not-published")
        assert problem["available"] == available
        assert "without int8" in problem["detail"]


@pytest.mark.parametrize("path", ["/predict", "/compare"])
@pytest.mark.parametrize("precision", ["fp16", "INT8", ""])
async def test_unknown_precision_is_422(running: RunningApp, path: str, precision: str) -> None:
    answer = await running.client.post(f"{path}?precision={precision}", content=gray_png(96), headers=RAW)
    problem = assert_problem(answer, 422, "invalid-parameters")
    assert [error["parameter"] for error in problem["errors"]] == ["precision"]
    assert "'fp32'" in problem["detail"]
    assert "'int8'" in problem["detail"]


async def test_requests_of_both_precisions_do_not_share_batches(running: RunningApp) -> None:
    async def ask(gray: int) -> None:
        precision: Precision = ("fp32", "int8")[gray % 2]
        assert_answered_by(await predicted(running, f"?precision={precision}", gray), precision, gray)

    await asyncio.gather(*(ask(gray) for gray in range(40, 140)))
    scraped = (await running.client.get("/metrics")).text
    for precision in ("fp32", "int8"):
        assert f'\nduet_images_total{{model="cnn",precision="{precision}",version="2"}} 50.0\n' in scraped
        assert f'\nduet_model_info{{model="cnn",precision="{precision}",version="2"}} 1.0\n' in scraped


@pytest.mark.parametrize("damage", ["missing", "changed", "no graph", "other classes"])
async def test_version_with_a_damaged_int8_graph_is_refused(running: RunningApp, damage: str) -> None:
    models = running.state["repository"].home_models
    folder = models / "cnn" / "3"
    options: dict[str, Any] = {"int8": True}
    if damage == "no graph":
        options["extra_files"] = {"model.int8.onnx": b"no graph"}
    if damage == "other classes":
        other = models.parent / "other"
        write_onnx_version(other, classes=("a", "b"), int8=True, test_answers=(0,), test_labels=(0,))
        options["extra_files"] = {"model.int8.onnx": (other / "model.int8.onnx").read_bytes()}
    write_onnx_version(folder, "cnn", 3, **options)
    if damage == "missing":
        (folder / "model.int8.onnx").unlink()
    if damage == "changed":
        (folder / "model.int8.onnx").write_bytes(b"x" + (folder / "model.int8.onnx").read_bytes()[1:])
    for query in ("?version=3", "?version=3&precision=int8"):
        answer = await running.client.post(f"/predict{query}", content=gray_png(0), headers=RAW)
        assert "model.int8.onnx" in assert_problem(answer, 409, "version-refused")["detail"]


async def test_int8_without_calibration_is_not_served(running: RunningApp) -> None:
    models = running.state["repository"].home_models
    write_onnx_version(models / "cnn" / "3", "cnn", 3, int8=True, calibration={"fp32": CALIBRATIONS["fp32"]})
    answer = await running.client.post("/predict?version=3&precision=int8", content=gray_png(0), headers=RAW)
    assert_problem(answer, 404, "precision-not-published")
    assert (await predicted(running, "?version=3")).precision == "fp32"


async def test_promotion_changes_the_available_precisions(by_default_int8: RunningApp) -> None:
    models = by_default_int8.state["repository"].home_models
    assert (await predicted(by_default_int8)).precision == "int8"
    for version, precision in ((1, "fp32"), (2, "int8")):
        set_champions(models, cnn=version, mlp=1)

        async def is_served(version: int = version) -> bool:
            return (await predicted(by_default_int8)).version == version

        await until(is_served)
        assert (await predicted(by_default_int8)).precision == precision
