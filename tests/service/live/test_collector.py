"""Collector: figures, drift alarms once, accuracy and coverage from labels, restarts, deletions, expired segments."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.repository.repository import ModelRepository
from core.schemas.live import LiveFigures, LiveModel
from service.live.collector import Collector, figures_path, live_folder
from service.traffic.deletion import Deletion, Deletions
from service.traffic.record import CapturedRequest, traffic_folder
from tests.support.live import gray_answer, gray_requests, usual_mix, write_labels, write_live_home
from tests.support.traffic import captured, write_segment

Open = Callable[[], Collector]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_live_home(tmp_path, holdout_images=2_000)
    return tmp_path


@pytest.fixture
def opened(home: Path) -> Open:
    def open_collector() -> Collector:
        repository = ModelRepository(home / "models", home / "none")
        return Collector(home, repository, [home / "reports"])

    return open_collector


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.live.collector.PAUSE_PER_SECOND", 0.0)


def of(figures: LiveFigures, family: str = "cnn") -> LiveModel:
    return next(model for model in figures.models if model.model == family)


def alarm_lines(home: Path) -> list[Any]:
    return [json.loads(line) for line in (traffic_folder(home) / "alarms.jsonl").read_text().splitlines()]


def test_shares_and_means_are_weighted_by_the_capture_probability(home: Path, opened: Open) -> None:
    black = captured("a", inclusion_probability=0.5, answers=(gray_answer("black", confidence=0.6, flagged=True),))
    white = captured(
        "b",
        inclusion_probability=0.25,
        answers=(
            gray_answer("white", prediction_set=("white", "light")),
            gray_answer("light", "mlp", in_response=False),
        ),
    )
    write_segment(home, [black, white, captured("trial", origin="trial", trial="t")])
    figures = opened().collect()
    model = of(figures)

    assert (figures.images, model.images, model.in_response, of(figures, "mlp").in_response) == (2, 2, 2, 0)
    assert {each.label: each.share for each in model.classes} == pytest.approx(
        {"black": 1 / 3, "dark": 0, "grey": 0, "light": 0, "white": 2 / 3}
    )
    assert {each.holdout_share for each in model.classes} == {0.2}
    assert model.mean_confidence == pytest.approx(0.8)
    assert (model.mean_set_size, model.flag_share) == pytest.approx((5 / 3, 1 / 3))
    assert (model.holdout_confidence, model.holdout_set_size, model.holdout_flag_share) == pytest.approx((0.9, 1, 0.05))
    [pair] = figures.disagreements
    assert (pair.first, pair.second, pair.images, pair.share) == ("cnn@1", "mlp@1", 1, 1.0)
    assert LiveFigures.model_validate_json(figures_path(home).read_bytes()) == figures


def test_usual_traffic_raises_no_alarm(home: Path, opened: Open) -> None:
    write_segment(home, gray_requests(usual_mix(3_000)))
    figures = opened().collect()
    assert figures.alarms == ()
    assert [each.test for each in of(figures).drift] == ["class_mix", "confidence", "energy"]
    assert {each.result.images for each in of(figures).drift} == {3_000}
    assert figures.images == 2_000
    assert not (traffic_folder(home) / "alarms.jsonl").exists()


def test_drift_raises_each_alarm_once_also_after_a_restart(
    home: Path, opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    changed = gray_answer("white", confidence=0.6, flagged=True)
    drifted = [captured(f"d{number}", answers=(changed,)) for number in range(60)]
    write_segment(home, drifted)
    with caplog.at_level(logging.WARNING, "duet.live"):
        first = opened().collect()
        write_segment(home, drifted)
        second = opened().collect()

    assert {alarm.test for alarm in first.alarms} == {"class_mix", "confidence", "energy"}
    assert second.alarms == first.alarms
    assert len(alarm_lines(home)) == 3
    messages = [record.message for record in caplog.records]
    assert len(messages) == 3
    assert (
        "alarm: the mix of predicted classes of cnn@1 (fp32) has changed: 'white' is 100.0% of 60 images, "
        "and between 16.7% and 23.6% by the holdout"
    ) in messages
    [evidence] = [line["drift"] for line in alarm_lines(home) if line["test"] == "energy"]
    assert evidence["largest_evidence"] >= evidence["alarm_evidence"] == pytest.approx(200)
    assert evidence["alarm_at"] <= 60
    assert evidence["rates"][0]["holdout"] == 0.05


def test_a_restart_changes_no_figure_and_feeds_no_record_twice(home: Path, opened: Open) -> None:
    labels = usual_mix(600)
    write_segment(home, gray_requests(labels[:200]))
    write_segment(home, gray_requests(labels[200:400], start=200))
    one = opened()
    one.collect()
    write_segment(home, gray_requests(labels[400:], start=400))
    kept, restarted = one.collect(), opened().collect()
    assert of(restarted).drift[0].result.images == 600
    assert restarted.model_copy(update={"updated": None}) == kept.model_copy(update={"updated": None})


def test_nothing_new_writes_nothing(home: Path, opened: Open) -> None:
    write_segment(home, gray_requests(usual_mix(5)))
    collector = opened()
    figures = collector.collect()
    before = figures_path(home).stat().st_mtime_ns
    assert collector.collect() is figures
    assert figures_path(home).stat().st_mtime_ns == before


def test_a_failed_round_is_made_up_for(home: Path, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    write_segment(home, gray_requests(usual_mix(5)))
    collector = opened()
    with monkeypatch.context() as patch:
        patch.setattr("service.live.collector.save_state", lambda *_: (_ for _ in ()).throw(OSError("full")))
        with pytest.raises(OSError, match="full"):
            collector.collect()
    assert collector.collect().images == 5


def test_accuracy_precision_and_recall_are_weighted(home: Path, opened: Open) -> None:
    records = gray_requests(["black"] * 40 + ["white"] * 40 + ["grey"])
    write_segment(home, records)
    write_labels(home, records[:60], ["black"] * 40 + ["white"] * 20)
    write_labels(home, records[60:79], ["light"] * 18 + [None], probability=1.0, time=100)
    write_labels(home, records[79:80], ["white"], source="feedback", probability=None, time=200)
    figures = opened().collect()
    model = of(figures)

    assert (model.labelled, model.none_of_these, of(figures, "mlp").labelled) == (79, 1, 0)
    assert model.accuracy is not None
    assert model.accuracy.value == pytest.approx(120 / 139)  # 60 right of weight 2, 19 wrong of weight 1
    assert model.accuracy.low < 120 / 139 < model.accuracy.high < 1
    by_label = {each.label: each for each in model.classes}
    assert (by_label["white"].predicted, by_label["white"].labelled, by_label["light"].labelled) == (39, 20, 18)
    white = by_label["white"]
    assert white.precision is not None
    assert white.recall is not None
    assert white.precision.value == pytest.approx(40 / 59)
    assert white.recall.value == 1
    assert by_label["light"].recall is not None
    assert by_label["light"].recall.value == 0
    assert by_label["light"].precision is by_label["grey"].recall is None


def test_new_labels_and_corrections_change_the_figures(home: Path, opened: Open) -> None:
    records = gray_requests(["black"] * 4)
    write_segment(home, records)
    collector = opened()
    assert of(collector.collect()).accuracy is None
    for time_, label, expected in ((0, "white", 0), (50, "black", 1)):
        write_labels(home, records, [label] * 4, time=time_)
        found = of(collector.collect()).accuracy
        assert found is not None
        assert found.value == expected


def test_coverage_alarm_at_misses_above_the_nominal_rate(home: Path, opened: Open) -> None:
    records = gray_requests(["black"] * 200)
    missed = np.random.default_rng(0).random(200) < 0.1
    write_segment(home, records)
    write_labels(home, records, ["white" if miss else "black" for miss in missed], probability=0.2)
    figures = opened().collect()
    coverage = of(figures).coverage
    assert coverage is not None
    assert (coverage.labels, coverage.misses) == (200, int(missed.sum()))
    assert coverage.nominal_miss_rate == pytest.approx(0.01)
    assert [(alarm.test, alarm.model) for alarm in figures.alarms if alarm.coverage] == [("coverage", "cnn")]
    assert "the nominal share is 1.0%" in next(alarm.message for alarm in figures.alarms if alarm.coverage)


def test_labels_of_expired_records_count(home: Path, opened: Open) -> None:
    records = gray_requests(["black", "black"])
    segment = write_segment(home, records[:1])
    write_labels(home, records[:1], ["black"])
    collector = opened()
    assert of(collector.collect()).labelled == 1
    segment.unlink()
    write_segment(home, records[1:])
    write_labels(home, records[1:], ["black"], time=9)
    for each in (collector, opened()):
        assert of(each.collect()).labelled == 2


def test_deleted_requests_leave_figures_and_labels(home: Path, opened: Open) -> None:
    records = gray_requests(["black", "white", "white"])
    write_segment(home, records)
    write_labels(home, records[:2], ["black", "black"])
    collector = opened()
    assert of(collector.collect()).labelled == 2
    Deletions(home).add(Deletion(request_id="r1", made=time.time()))
    for each in (collector, opened()):
        model = of(each.collect())
        assert (model.images, model.labelled) == (2, 1)


def test_averaged_answers_and_versions_without_a_holdout_have_no_drift(home: Path, opened: Open) -> None:
    averaged: list[CapturedRequest] = [captured("t", answers=(gray_answer("black", tta=True),))]
    gone = captured("g", answers=(gray_answer("black", version=7),))
    write_segment(home, [*averaged, gone])
    first, second = opened().collect().models
    assert (first.version, first.drift[0].result.images) == (1, 0)
    assert (second.version, second.drift, second.classes[0].holdout_share) == (7, (), None)


def test_state_of_another_release_begins_again(home: Path, opened: Open) -> None:
    write_segment(home, gray_requests(usual_mix(10)))
    live_folder(home).mkdir()
    (live_folder(home) / "state.json").write_text('{"format": 0}')
    assert of(opened().collect()).drift[0].result.images == 10
