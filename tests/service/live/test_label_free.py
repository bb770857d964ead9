"""Accuracy without labels: the estimate with its measured error, and the reasons why there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.records.base import write_report
from core.records.lookup import report_path
from core.repository.repository import ModelRepository
from core.sequential.disagreement import input_values
from service.live.label_free import MIN_IMAGES, LabelFreeEstimates, Outcome
from service.live.rows import ModelKey, TrafficRow
from service.traffic.record import CapturedRequest
from tests.support.live import gray_answer, label_free_record, write_live_home
from tests.support.traffic import captured

CNN, MLP = ModelKey("cnn", 1, "fp32"), ModelKey("mlp", 1, "fp32")


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    return ModelRepository(write_live_home(tmp_path), tmp_path / "none")


def write_record(repository: ModelRepository, home: Path) -> None:
    record = label_free_record(repository)
    write_report(report_path(home / "reports", "label_free", "mlp@1", "cnn@1"), record)


def rows(images: int = MIN_IMAGES, *, share: float = 1.0) -> list[TrafficRow]:
    """Images of which the families answer every fourth one differently."""
    return [
        TrafficRow.of(
            captured(
                f"r{number}",
                inclusion_probability=share,
                answers=(
                    gray_answer("black", confidence=0.5 + 0.4 * number / images),
                    gray_answer("white" if number % 4 == 0 else "black", "mlp", in_response=False),
                ),
            )
        )
        for number in range(images)
    ]


def estimate(repository: ModelRepository, home: Path, key: ModelKey, found: list[TrafficRow]) -> Outcome:
    return LabelFreeEstimates(repository, [home / "none", home / "reports"]).estimate(key, found)


def test_estimate_is_that_of_the_record_with_its_measured_errors(repository: ModelRepository, tmp_path: Path) -> None:
    write_record(repository, tmp_path)
    found = rows()
    cnn, mlp = (estimate(repository, tmp_path, key, found) for key in (CNN, MLP))
    assert cnn.estimate is not None
    assert cnn.reason is None
    fit = label_free_record(repository).fit_of("cnn@1")
    own_NK, other_NK = (np.stack([row.answers[k].probabilities_K for row in found]) for k in (0, 1))
    expected = fit.correctness.accuracy_of(input_values("confidence and agreement", own_NK, other_NK))
    assert cnn.estimate.accuracy == pytest.approx(expected)
    assert (cnn.estimate.other, cnn.estimate.images) == ("mlp@1", MIN_IMAGES)
    assert cnn.estimate.error == pytest.approx(0.03)  # of the two corruptions, not of the rotation
    assert cnn.estimate.largest_error == pytest.approx(0.1)
    assert mlp.estimate is not None
    assert mlp.estimate.other == "cnn@1"
    assert mlp.estimate.accuracy != pytest.approx(expected)


def test_estimate_is_weighted_by_the_capture_probability(repository: ModelRepository, tmp_path: Path) -> None:
    write_record(repository, tmp_path)
    sure = captured(inclusion_probability=0.5, answers=(gray_answer("black"), gray_answer("black", "mlp")))
    unsure = captured(
        inclusion_probability=0.25, answers=(gray_answer("black", confidence=0.3), gray_answer("white", "mlp"))
    )

    def accuracy(*records: CapturedRequest) -> float:
        found = [TrafficRow.of(record) for record in records]
        outcome = estimate(repository, tmp_path, CNN, found * MIN_IMAGES).estimate
        assert outcome is not None
        return outcome.accuracy

    assert accuracy(sure, unsure) == pytest.approx(accuracy(sure) / 3 + 2 * accuracy(unsure) / 3)


def test_without_a_record_the_reason_says_how_to_make_one(repository: ModelRepository, tmp_path: Path) -> None:
    estimates = LabelFreeEstimates(repository, [tmp_path / "reports"])
    assert estimates.estimate(CNN, rows()) == (
        None,
        "the error for cnn@1 and mlp@1 has not been measured: run `duet evaluate cnn@1 --robustness --against mlp@1`",
    )


def test_record_that_is_made_later_is_found(
    repository: ModelRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimates = LabelFreeEstimates(repository, [tmp_path / "reports"])
    assert estimates.estimate(CNN, rows()).estimate is None
    write_record(repository, tmp_path)
    monkeypatch.setattr("service.live.label_free.RETRY_SECONDS", 0.0)
    assert estimates.estimate(CNN, rows()).estimate is not None


def test_few_images_in_common_are_not_enough(repository: ModelRepository, tmp_path: Path) -> None:
    write_record(repository, tmp_path)
    assert estimate(repository, tmp_path, CNN, rows(MIN_IMAGES - 1)) == (
        None,
        "cnn@1 and mlp@1 have answered 199 recent images in common, and 200 are needed",
    )


def test_answers_of_one_family_have_no_estimate(repository: ModelRepository, tmp_path: Path) -> None:
    write_record(repository, tmp_path)
    alone = captured(answers=(gray_answer("black"), gray_answer("white", version=2)))
    averaged = captured(answers=(gray_answer("black"), gray_answer("black", "mlp", tta=True)))
    quantized = captured(answers=(gray_answer("black"), gray_answer("black", "mlp", precision="int8")))
    for each in (alone, averaged, quantized):
        outcome = estimate(repository, tmp_path, CNN, [TrafficRow.of(each)] * MIN_IMAGES)
        assert outcome == (None, "no recent image was answered by a second family with the same classes")


def test_int8_answers_have_no_estimate(repository: ModelRepository, tmp_path: Path) -> None:
    write_record(repository, tmp_path)
    outcome = estimate(repository, tmp_path, CNN._replace(precision="int8"), rows())
    assert outcome == (None, "the error was measured with fp32, and int8 answers differ")


def test_damaged_record_and_deleted_version_are_reasons(repository: ModelRepository, tmp_path: Path) -> None:
    path = report_path(tmp_path / "reports", "label_free", "mlp@1", "cnn@1")
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    assert estimate(repository, tmp_path, CNN, rows()).reason == "the record of cnn@1 and mlp@1 cannot be read"
    gone = [
        TrafficRow.of(captured(answers=(gray_answer("black", version=9), gray_answer("black", "mlp"))))
    ] * MIN_IMAGES
    outcome = estimate(repository, tmp_path, CNN._replace(version=9), gone)
    assert outcome.reason == "the record of cnn@9 and mlp@1 cannot be read"
