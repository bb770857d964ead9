"""Promotion routes: promotion, preview, rollback, audit trail and evaluations."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from core.gate import costs
from core.gate.promotion import assess, promote_on_evidence
from core.gate.report import GateReport
from core.records.base import ReportedModel, write_report
from core.records.lookup import report_path
from core.repository.champions import history, promote
from core.repository.evaluation import EvaluationRecord, read_evaluation, write_record
from core.repository.predictions import PREDICTIONS_NAME
from core.repository.repository import ModelRepository
from core.schemas.models import EvaluationPage, GatedMove, Move, PromotionPage
from tests.support.holdouts import GRAY_LABELS_N, corrupted_record, predictions_file, verdict_of, write_judged_version
from tests.support.onnx_models import gray_png, write_onnx_version
from tests.support.problems import assert_problem
from tests.support.service import RunningApp, running_app, set_champions, settings_for, write_home

JOBS, ADMIN = "j" * 16, "a" * 16
AS_ADMIN = {"x-api-key": ADMIN}
PROMOTE_2, PROMOTE_3 = "/models/cnn/versions/2/promote", "/models/cnn/versions/3/promote"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """cnn@1 is champion with an accuracy of 75 %; cnn@2, with inverted predictions, is more accurate, cnn@3 is not."""
    monkeypatch.setattr(costs, "CPU_SECONDS", 0.02)
    models = write_home(tmp_path)
    write_judged_version(models, 1, wrong=10)
    write_judged_version(models, 2, wrong=2, inverted=True)
    write_judged_version(models, 3, wrong=10)
    return tmp_path


@pytest.fixture
async def running(home: Path) -> AsyncIterator[RunningApp]:
    """The app over `home`, without polling of the champions."""
    settings = settings_for(home, api_keys=f"jobs:{JOBS},admin:{ADMIN}", poll_seconds=3600, max_body_bytes=100_000)
    async with running_app(settings) as app:
        yield app


def repository_of(running: RunningApp) -> ModelRepository:
    return running.state["repository"]


async def post(running: RunningApp, path: str, **body: Any) -> httpx.Response:
    return await running.client.post(path, json=body or None, headers=AS_ADMIN)


async def answering(running: RunningApp) -> tuple[int, str]:
    """Version and label of the prediction for a black image."""
    answer = await running.client.post("/predict", content=gray_png(0), headers={"content-type": "image/png"})
    prediction = answer.json()["predictions"][0]
    return prediction["version"], prediction["label"]


async def test_promotion_is_recorded_and_served_on_response(running: RunningApp) -> None:
    assert await answering(running) == (1, "black")
    answer = await post(running, PROMOTE_2, reason="better on the holdout")
    assert answer.status_code == 200, answer.text
    assert await answering(running) == (2, "white")
    move = GatedMove.model_validate_json(answer.content)
    assert (move.served, move.serving.served, move.serving.reason) == (True, 2, None)
    assert (move.gate.passed, move.gate.ground, move.gate.champion) == (True, "significant_gain", 1)
    [entry] = history(repository_of(running))
    assert entry == move.promotion
    assert (entry.reason, entry.actor.endswith("(admin)")) == ("better on the holdout", True)
    assert entry.evidence is not None
    assert GateReport.model_validate(entry.evidence["gate"]) == move.gate


async def test_failed_gate_is_refused_with_the_report(running: RunningApp) -> None:
    problem = assert_problem(await post(running, PROMOTE_3), 409, "gate-refused")
    report = GateReport.model_validate(problem["report"])
    assert (report.passed, report.ground) == (False, "not_better")
    assert problem["detail"].startswith(report.summary)
    assert len(report.verdicts) == 10
    assert (await answering(running))[0] == 1
    assert history(repository_of(running)) == []


async def test_force_with_reason_overrides_the_gate(running: RunningApp, caplog: pytest.LogCaptureFixture) -> None:
    move = GatedMove.model_validate_json((await post(running, PROMOTE_3, force=True, reason="for the demo")).content)
    assert (move.gate.passed, move.served) == (False, True)
    assert (await answering(running))[0] == 3
    assert move.promotion.evidence is not None
    assert move.promotion.evidence["forced"] is True
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert any("promoted cnn@3 past the gate (for the demo)" in line for line in warned)


@pytest.mark.parametrize(
    "body", [{"force": True}, {"force": True, "reason": " "}, {"reason": ""}, {"reason": "x" * 1001}, {"forse": True}]
)
async def test_invalid_fields_are_refused(running: RunningApp, body: dict[str, Any]) -> None:
    assert_problem(await post(running, PROMOTE_2, **body), 422, "invalid-parameters")
    assert (await answering(running))[0] == 1


@pytest.mark.parametrize("path", [PROMOTE_2, "/models/cnn/rollback"])
async def test_malformed_or_long_body_changes_nothing(running: RunningApp, path: str) -> None:
    for content, status, slug in ((b"now!", 400, "malformed-body"), (b" " * 200_000, 413, "body-too-large")):
        answer = await running.client.post(path, content=content, headers=AS_ADMIN)
        assert_problem(answer, status, slug)
    assert history(repository_of(running)) == []


@pytest.mark.parametrize("path", [PROMOTE_2, "/models/cnn/rollback"])
async def test_promotion_needs_scope_admin(running: RunningApp, path: str) -> None:
    assert_problem(await running.client.post(path), 401, "key-required")
    refused = await running.client.post(path, headers={"x-api-key": JOBS})
    assert refused.status_code == 403
    assert history(repository_of(running)) == []


async def test_preview_needs_no_key_and_changes_nothing(running: RunningApp, monkeypatch: pytest.MonkeyPatch) -> None:
    assessed: list[int] = []

    def counted(repository: ModelRepository, family: str, version: int, thresholds: Any) -> GateReport:
        assessed.append(version)
        return assess(repository, family, version, thresholds)

    monkeypatch.setattr("service.models.promotions.assess", counted)
    for version, passed in ((2, True), (3, False), (2, True)):
        answer = await running.client.get(f"/models/cnn/versions/{version}/gate")
        assert GateReport.model_validate_json(answer.content).passed is passed
    assert assessed == [2, 3]  # the second look at 2 is remembered
    assert (await running.client.get("/models/cnn/versions/1/gate")).json()["ground"] == "is_champion"
    assert (await answering(running))[0] == 1
    assert history(repository_of(running)) == []
    await post(running, PROMOTE_2)
    now = GateReport.model_validate_json((await running.client.get("/models/cnn/versions/3/gate")).content)
    assert (now.champion, now.passed) == (2, False)


async def test_rollbacks_walk_back_in_one_call_each(running: RunningApp) -> None:
    await post(running, PROMOTE_2)
    await post(running, PROMOTE_3, force=True, reason="try")
    for before, after in ((3, 2), (2, 1)):
        move = Move.model_validate_json((await post(running, "/models/cnn/rollback")).content)
        assert (move.promotion.from_version, move.promotion.to_version, move.served) == (before, after, True)
        assert (await answering(running))[0] == after
    assert_problem(await post(running, "/models/cnn/rollback", reason="more"), 409, "nothing-to-roll-back")
    assert_problem(await post(running, "/models/dogs/rollback"), 404, "unknown-model")


async def test_trail_is_paged_newest_first(running: RunningApp) -> None:
    await post(running, PROMOTE_2, reason="one")
    await post(running, "/models/cnn/rollback", reason="two")
    await post(running, PROMOTE_2, reason="three")
    told: list[str] = []
    cursor: int | None = None
    for _ in range(2):
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        answer = await running.client.get("/models/cnn/promotions", params=query)
        page = PromotionPage.model_validate_json(answer.content)
        told += [entry.reason for entry in page.promotions]
        cursor = page.next_cursor
    assert told == ["three", "two", "one"]
    assert cursor is None
    assert (await running.client.get("/models/mlp/promotions")).json() == {
        "promotions": [],
        "next_cursor": None,
        "shipped": [],
    }
    assert_problem(await running.client.get("/models/dogs/promotions"), 404, "unknown-model")
    assert_problem(await running.client.get("/models/cnn/promotions?limit=0"), 422, "invalid-parameters")


async def test_last_page_of_the_trail_has_the_shipped_entries(running: RunningApp) -> None:
    shipped = repository_of(running).shipped
    write_judged_version(shipped, 1, wrong=10)
    promote(ModelRepository(shipped, shipped), "cnn", 1, actor="maintainer", reason="shipped")
    await post(running, PROMOTE_2, reason="one")
    await post(running, "/models/cnn/rollback", reason="two")
    first = PromotionPage.model_validate_json((await running.client.get("/models/cnn/promotions?limit=1")).content)
    assert ([entry.reason for entry in first.promotions], first.shipped) == (["two"], ())
    last = PromotionPage.model_validate_json(
        (await running.client.get(f"/models/cnn/promotions?limit=1&cursor={first.next_cursor}")).content
    )
    assert [entry.reason for entry in last.promotions] == ["one"]
    assert [(entry.entry, entry.reason) for entry in last.shipped] == [(1, "shipped")]
    other = PromotionPage.model_validate_json((await running.client.get("/models/mlp/promotions")).content)
    assert other.shipped == ()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/models/dogs/versions/1/promote"),
        ("POST", "/models/cnn/versions/9/promote"),
        ("GET", "/models/cnn/versions/9/gate"),
        ("GET", "/models/cnn/versions/9/evaluations"),
    ],
)
async def test_unknown_model_or_version_is_404(running: RunningApp, method: str, path: str) -> None:
    answer = await running.client.request(method, path, headers=AS_ADMIN)
    assert_problem(answer, 404, "unknown-model" if "dogs" in path else "unknown-version")


async def test_incomplete_preview_is_not_cached(running: RunningApp, home: Path) -> None:
    """Corrupted images may be evaluated after publication, as `duet evaluate --robustness` does."""
    content = {PREDICTIONS_NAME: predictions_file(home / "made", np.ones(len(GRAY_LABELS_N), bool), GRAY_LABELS_N)}
    manifest = write_judged_version(home / "models", 4, extra_files=content)

    async def corrupted_accuracy() -> float | None:
        answer = await running.client.get("/models/cnn/versions/4/gate")
        return verdict_of(GateReport.model_validate_json(answer.content), "corrupted_accuracy").value

    assert await corrupted_accuracy() is None
    record = corrupted_record(manifest, np.ones(40, bool), np.zeros(40, bool))
    record = record.model_copy(update={"model": ReportedModel.of(manifest)})
    write_report(report_path(home / "reports", "corrupted_holdout", "cnn@4"), record)
    assert await corrupted_accuracy() == 0


async def test_gate_report_has_no_paths_of_the_server(running: RunningApp, home: Path) -> None:
    write_onnx_version(home / "models" / "cnn" / "4", "cnn", 4)  # without predictions
    preview = await running.client.get("/models/cnn/versions/4/gate")
    body = {"force": True, "reason": "test"}
    moved = await running.client.post("/models/cnn/versions/4/promote", json=body, headers=AS_ADMIN)
    assert moved.status_code == 200, moved.text
    trail = await running.client.get("/models/cnn/promotions")
    assert preview.json()["ground"] == "not_comparable"
    for answer in (preview, moved, trail):
        assert "DUET_HOME/models/cnn/4/predictions.npz holds no predictions" in answer.text
        assert str(home) not in answer.text


async def test_damaged_version_is_refused_even_with_force(running: RunningApp, home: Path) -> None:
    (home / "models" / "cnn" / "2" / "model.onnx").write_bytes(b"x")
    assert_problem(await running.client.get("/models/cnn/versions/2/gate"), 409, "version-refused")
    assert_problem(await post(running, PROMOTE_2, force=True, reason="now"), 409, "version-refused")
    assert history(repository_of(running)) == []


async def test_version_that_cannot_run_is_not_promoted(running: RunningApp, home: Path) -> None:
    """The files match the manifest, so only loading shows that the graph cannot run."""
    write_judged_version(home / "models", 4, extra_files={"model.onnx": b"no graph"})
    problem = assert_problem(
        await post(running, "/models/cnn/versions/4/promote", force=True, reason="now"), 409, "version-refused"
    )
    assert "cannot be opened" in problem["detail"]
    assert repository_of(running).champion("cnn") == 1


async def test_response_names_where_the_champion_is_not_served(
    running: RunningApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version passes the gate, and is removed from memory and disk before it is served."""

    def judged_then_lost(*arguments: Any, **options: Any) -> Any:
        decision = promote_on_evidence(*arguments, **options)
        running.state["engine"].models._extras.clear()
        (repository_of(running).folder("cnn", 2) / "model.onnx").unlink()
        return decision

    monkeypatch.setattr("service.models.promotions.promote_on_evidence", judged_then_lost)
    move = GatedMove.model_validate_json((await post(running, PROMOTE_2)).content)
    assert (move.served, move.serving.champion, move.serving.served) == (False, 2, 1)
    assert "model.onnx: missing" in (move.serving.reason or "")
    assert await answering(running) == (1, "black")


async def test_poll_started_before_a_promotion_keeps_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first poll reads that cnn@1 is champion, and continues only after the promotion of cnn@3."""
    has_read, may_go_on = threading.Event(), threading.Event()
    read = ModelRepository.champions

    def slow_at_first(repository: ModelRepository) -> dict[str, int]:
        champions = read(repository)
        if not has_read.is_set():
            has_read.set()
            assert may_go_on.wait(60)
        return champions

    async with running_app(settings_for(home, poll_seconds=3600)) as running:
        models = running.state["engine"].models
        monkeypatch.setattr(ModelRepository, "champions", slow_at_first)
        first = asyncio.create_task(models.poll())
        await asyncio.to_thread(has_read.wait)
        set_champions(home / "models", cnn=3, mlp=1)
        second = asyncio.create_task(models.poll())
        await asyncio.wait([second], timeout=0.3)
        may_go_on.set()
        await asyncio.gather(first, second)
        assert models.readiness_of("cnn").served == 3


async def test_evaluations_begin_with_the_published_one(running: RunningApp, home: Path) -> None:
    published = read_evaluation(home / "models" / "cnn" / "1")
    for number in range(3):
        record = EvaluationRecord(
            job=f"job{number}",
            family="cnn",
            version=1,
            created_at=datetime(2026, 2, 1 + number, tzinfo=UTC),
            data="cifar10",
            evaluation=published,
            differences=(),
        )
        write_record(home, record)
    told: list[str | None] = []
    query: dict[str, Any] = {"limit": 1}
    for _ in range(4):
        answer = await running.client.get("/models/cnn/versions/1/evaluations", params=query)
        page = EvaluationPage.model_validate_json(answer.content)
        told += [one.job for one in page.evaluations]
        assert all(one.evaluation == published for one in page.evaluations)
        query["cursor"] = page.next_cursor
    assert told == [None, "job2", "job1", "job0"]
    assert query["cursor"] is None
    unknown = await running.client.get("/models/cnn/versions/1/evaluations?cursor=job9")
    assert_problem(unknown, 422, "invalid-parameters")


async def test_changed_published_evaluation_is_refused(running: RunningApp, home: Path) -> None:
    (home / "models" / "cnn" / "1" / "evaluation.json").write_text("{}")
    problem = assert_problem(await running.client.get("/models/cnn/versions/1/evaluations"), 409, "version-refused")
    assert "evaluation.json" in problem["detail"]
