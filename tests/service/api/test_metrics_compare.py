from __future__ import annotations

import pytest

from core.api import MetricsComparison
from core.evaluation import read_evaluation
from core.statistics.comparison import paired_difference
from tests.support.onnx_models import write_onnx_version
from tests.support.problems import assert_problem
from tests.support.service import RunningApp
from tests.support.versions import write_version

OTHER_DATA = "e" * 64


async def test_the_champions_are_compared_image_by_image(running: RunningApp) -> None:
    answer = await running.client.get("/metrics/compare")
    comparison = MetricsComparison.model_validate_json(answer.content)
    # labels 0 1 2 3 4 3; mlp answers 0 1 2 2 2 3, cnn answers 0 1 2 3 4 4
    paired = comparison.paired
    assert (paired.both_right, paired.only_first_right, paired.only_second_right, paired.both_wrong) == (3, 1, 2, 0)
    assert paired.difference == paired_difference(1, 2, 6)
    assert paired.difference.value == pytest.approx(4 / 6 - 5 / 6)
    assert paired.difference.low < paired.difference.value < paired.difference.high
    assert paired.mcnemar_p == 1.0
    assert paired.agreement == pytest.approx(3 / 6)
    assert (comparison.first.model, comparison.second.model) == ("mlp", "cnn")
    assert comparison.data.images == 6


async def test_each_side_has_the_scores_of_its_own_evaluation(running: RunningApp) -> None:
    models = running.state["repository"].home_models
    comparison = MetricsComparison.model_validate_json((await running.client.get("/metrics/compare")).content)
    for side in (comparison.first, comparison.second):
        assert side.scores == read_evaluation(models / side.model / "1").scores["fp32"]
        assert side.precision == "fp32"
    assert comparison.first.scores.confusion_matrix != comparison.second.scores.confusion_matrix


async def test_first_and_second_choose_the_sides(running: RunningApp) -> None:
    answer = await running.client.get("/metrics/compare?first=cnn@1&second=mlp@champion")
    comparison = MetricsComparison.model_validate_json(answer.content)
    assert (comparison.first.model, comparison.second.model) == ("cnn", "mlp")
    assert (comparison.paired.only_first_right, comparison.paired.only_second_right) == (2, 1)


async def test_different_data_is_refused_with_both_digests(running: RunningApp) -> None:
    models = running.state["repository"].home_models
    write_onnx_version(models / "cnn" / "2", "cnn", 2, data_digest=OTHER_DATA)
    answer = await running.client.get("/metrics/compare?second=cnn@2")
    problem = assert_problem(answer, 409, "different-data")
    assert problem["digests"] == {"mlp@1": "d" * 64, "cnn@2": OTHER_DATA}
    assert OTHER_DATA in problem["detail"]


async def test_a_version_without_stored_predictions_is_refused(running: RunningApp) -> None:
    write_version(running.state["repository"].home_models / "cnn" / "2", "cnn", 2)
    answer = await running.client.get("/metrics/compare?second=cnn@2")
    assert "cnn@2 has no evaluation.json" in assert_problem(answer, 409, "no-evaluation")["detail"]


@pytest.mark.parametrize("name", ["evaluation.json", "predictions.npz"])
async def test_a_changed_evaluation_is_refused(running: RunningApp, name: str) -> None:
    path = running.state["repository"].home_models / "cnn" / "1" / name
    path.write_bytes(path.read_bytes() + b" ")
    problem = assert_problem(await running.client.get("/metrics/compare"), 409, "version-refused")
    assert f"cnn@1: {name}" in problem["detail"]


async def test_an_evaluation_of_another_form_is_refused(running: RunningApp) -> None:
    models = running.state["repository"].home_models
    files = {"evaluation.json": b'{"schema_version": 9}', "predictions.npz": b"no zip"}
    write_version(models / "cnn" / "2", "cnn", 2, extra_files=files)
    problem = assert_problem(await running.client.get("/metrics/compare?second=cnn@2"), 409, "no-evaluation")
    assert "cnn@2" in problem["detail"]


async def test_unknown_references_and_parameters(running: RunningApp) -> None:
    get = running.client.get
    assert assert_problem(await get("/metrics/compare?first=vit"), 404, "unknown-model")["available"] == ["cnn", "mlp"]
    assert assert_problem(await get("/metrics/compare?first=cnn@7"), 404, "unknown-version")["available"] == [1]
    problem = assert_problem(await get("/metrics/compare?first=cnn@x&third=y"), 422, "invalid-parameters")
    assert [error["parameter"] for error in problem["errors"]] == ["first", "third"]
