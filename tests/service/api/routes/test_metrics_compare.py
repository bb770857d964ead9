from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from core.comparison.evaluated import current_scores
from core.comparison.pairwise import Pairwise, compare_predictions
from core.comparison.schemas import MetricsComparison
from core.repository.evaluation import read_evaluation
from core.repository.manifest import read_manifest
from core.statistics.comparison import paired_difference
from tests.support.comparisons import write_latency, write_robustness
from tests.support.onnx_models import write_onnx_version
from tests.support.problems import assert_problem
from tests.support.service import RunningApp, running_app, settings_for
from tests.support.versions import write_version

OTHER_DATA = "e" * 64


async def test_champions_are_compared_by_image(running: RunningApp) -> None:
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


async def test_each_version_has_its_evaluation_scores(running: RunningApp) -> None:
    models = running.state["repository"].home_models
    comparison = MetricsComparison.model_validate_json((await running.client.get("/metrics/compare")).content)
    for side in (comparison.first, comparison.second):
        published = read_evaluation(models / side.model / "1").scores["fp32"]
        manifest = read_manifest(models / side.model / "1")
        # These evaluations lack what older versions lack, which is computed for the answer.
        assert side.scores == current_scores(published, manifest, side.probability, images=6)
        assert side.scores.reliability.if_calibrated == side.probability.ece_if_calibrated
        assert side.precision == "fp32"
    assert comparison.first.scores.confusion_matrix != comparison.second.scores.confusion_matrix


async def test_different_data_is_refused_with_both_digests(running: RunningApp) -> None:
    models = running.state["repository"].home_models
    write_onnx_version(models / "cnn" / "2", "cnn", 2, data_digest=OTHER_DATA)
    answer = await running.client.get("/metrics/compare?second=cnn@2")
    problem = assert_problem(answer, 409, "different-data")
    assert problem["digests"] == {"mlp@1": "d" * 64, "cnn@2": OTHER_DATA}
    assert OTHER_DATA in problem["detail"]
    assert problem["comparable"] == {"mlp@1": ["cnn@1"], "cnn@2": []}


async def test_version_without_predictions_is_refused(running: RunningApp) -> None:
    write_version(running.state["repository"].home_models / "cnn" / "2", "cnn", 2)
    answer = await running.client.get("/metrics/compare?second=cnn@2")
    assert "cnn@2 has no evaluation.json" in assert_problem(answer, 409, "no-evaluation")["detail"]


@pytest.mark.parametrize("name", ["evaluation.json", "predictions.npz"])
async def test_changed_evaluation_is_refused(running: RunningApp, name: str) -> None:
    path = running.state["repository"].home_models / "cnn" / "1" / name
    path.write_bytes(path.read_bytes() + b" ")
    problem = assert_problem(await running.client.get("/metrics/compare"), 409, "version-refused")
    assert f"cnn@1: {name}" in problem["detail"]


async def test_evaluation_of_another_schema_is_refused(running: RunningApp) -> None:
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


async def test_versions_of_one_model_are_compared(running: RunningApp) -> None:
    models = running.state["repository"].home_models
    write_onnx_version(models / "cnn" / "2", "cnn", 2, test_answers=(0, 0, 0, 0, 0, 0))
    answer = await running.client.get("/metrics/compare?first=cnn@2&second=cnn")
    comparison = MetricsComparison.model_validate_json(answer.content)
    assert [(side.version, side.champion) for side in (comparison.first, comparison.second)] == [(2, False), (1, True)]
    assert comparison.paired.only_second_right == 4


async def test_records_are_found_in_home_and_shipped_folders(running: RunningApp) -> None:
    settings, repository = running.state["settings"], running.state["repository"]
    comparison = MetricsComparison.model_validate_json((await running.client.get("/metrics/compare")).content)
    assert comparison.robustness is None
    assert len(comparison.notes) == 2
    write_robustness(settings.home / "reports", repository.manifest("cnn", 1), clean=0.9)
    write_robustness(settings.shipped_models / "reports", repository.manifest("mlp", 1), clean=0.5)
    write_latency(settings.shipped_models / "reports", repository.manifest("mlp", 1), ms=0.4)
    comparison = MetricsComparison.model_validate_json((await running.client.get("/metrics/compare")).content)
    assert comparison.notes == ()
    assert comparison.robustness is not None
    assert (comparison.robustness.first_clean.value, comparison.robustness.second_clean.value) == (0.5, 0.9)
    assert comparison.first.latency is not None
    assert comparison.second.latency is None


async def test_comparisons_queue_until_their_deadline(home: Path) -> None:
    async with running_app(settings_for(home, deadline_seconds=0)) as app:
        assert_problem(await app.client.get("/metrics/compare"), 504, "deadline-exceeded")
    async with running_app(settings_for(home)) as app:
        answers = await asyncio.gather(*(app.client.get("/metrics/compare") for _ in range(5)))
        assert [answer.status_code for answer in answers] == [200] * 5


async def test_comparison_does_not_block_the_event_loop(running: RunningApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison is blocked until another request has been answered."""
    answered = threading.Event()

    def slow(*sides: Any) -> Pairwise:
        assert answered.wait(60)
        return compare_predictions(*sides)

    monkeypatch.setattr("core.comparison.compare.compare_predictions", slow)
    comparing = asyncio.create_task(running.client.get("/metrics/compare"))
    assert (await running.client.get("/livez")).status_code == 200
    answered.set()
    assert (await comparing).status_code == 200


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize("query", ["", "?first=cnn@1&second=mlp", "?first=vit", "?first=cnn@x&other=1"])
async def test_browser_gets_the_page_for_any_query(running: RunningApp, query: str) -> None:
    answer = await running.client.get(f"/metrics/compare{query}", headers={"Accept": BROWSER})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert set(answer.headers["vary"].split(", ")) == {"Accept", "Accept-Encoding"}
    assert answer.content == (await running.client.get("/ui/comparison")).content


@pytest.mark.parametrize("accept", ["*/*", "application/json", "", "text/html;q=0.2, application/json"])
async def test_programs_get_the_data(running: RunningApp, accept: str) -> None:
    answer = await running.client.get("/metrics/compare", headers={"Accept": accept})
    assert answer.headers["content-type"] == "application/json"
    assert "Accept" in answer.headers["vary"]
    MetricsComparison.model_validate_json(answer.content)


async def test_unsupported_accept_is_406(running: RunningApp) -> None:
    answer = await running.client.get("/metrics/compare", headers={"Accept": "image/png"})
    assert_problem(answer, 406, "not-acceptable")
