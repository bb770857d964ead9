from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from core.errors import DataError, DifferentImagesError, NotEvaluatedError
from core.records.mistakes import Mistakes
from core.repository.predictions import SplitPredictions
from tests.support.cifar_files import small_dataset
from tests.support.published_pair import PublishedPair
from training.analysis.mistakes import find
from training.analysis.mistakes.figures import mistake_figures
from training.analysis.mistakes.find import (
    VersionPredictions,
    class_errors,
    confidence,
    confusions,
    find_mistakes,
    label_candidates,
    most_confident,
    overlap,
)
from training.data.split_dataset import Images
from training.data.splits import split_for
from training.plots.style import DARK, LIGHT, png

NAMES = ("cat", "dog", "owl")


def test_class_errors_are_sorted_without_empty_classes() -> None:
    rows = class_errors(np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 0, 2]), NAMES)
    assert [(row.label, row.images, row.error.value) for row in rows] == [("dog", 2, 1.0), ("cat", 4, 0.25)]


def test_confusions_are_ordered_pairs_by_their_number() -> None:
    rows = confusions(np.array([0, 0, 0, 1, 1, 2]), np.array([1, 1, 0, 0, 1, 2]), NAMES)
    assert [(row.label, row.answer, row.count) for row in rows] == [("cat", "dog", 2), ("dog", "cat", 1)]
    assert rows[0].rate.value == pytest.approx(2 / 3)


def test_overlap_counts_every_image_once() -> None:
    labels_N = np.zeros(8, np.int64)
    found = overlap(labels_N, np.array([0, 1, 1, 1, 0, 0, 0, 0]), np.array([0, 1, 2, 0, 2, 0, 0, 0]))
    assert [share.value for share in (found.only_first, found.only_second, found.both)] == [1 / 8, 1 / 8, 2 / 8]
    assert found.both_if_independent == pytest.approx(9 / 64)
    assert found.same_answer is not None
    assert found.same_answer.value == 0.5
    assert overlap(labels_N, labels_N, labels_N).same_answer is None


def test_confidence_of_wrong_and_right_answers() -> None:
    found = confidence(np.array([0.95, 0.5, 0.8, 1.0]), np.array([True, True, False, False]))
    assert found.wrong is not None
    assert found.right is not None
    assert found.sure_of_wrong is not None
    assert (found.wrong.value, found.right.value, found.sure_of_wrong.value) == (0.725, 0.9, 0.5)
    assert confidence(np.array([0.9]), np.array([False])).sure_of_wrong is None


def test_label_candidates_need_both_sure_of_the_same_class() -> None:
    labels_N = np.zeros(5, np.int64)
    sure, unsure, own = [0.02, 0.97, 0.01], [0.2, 0.7, 0.1], [0.98, 0.01, 0.01]
    other = [0.02, 0.01, 0.97]
    first_NK = np.array([sure, sure, sure, own, [0.0, 1.0, 0.0]])
    second_NK = np.array([sure, unsure, other, own, [0.05, 0.91, 0.04]])
    found = label_candidates(np.array([10, 11, 12, 13, 14]), labels_N, first_NK, second_NK, NAMES)
    assert [each.position for each in found] == [10, 14]
    assert (found[0].label, found[0].first.label, found[0].second.probability) == ("cat", "dog", 0.97)
    surest = most_confident(np.arange(5), labels_N, first_NK, second_NK, NAMES, by=1)
    assert [each.position for each in surest] == [0, 2, 4, 1]


@pytest.mark.slow
def test_mistakes_agree_with_stored_predictions(
    pair: PublishedPair, evaluated: tuple[VersionPredictions, VersionPredictions], tmp_path: Path
) -> None:
    found = find_mistakes(*evaluated, pair.images, tmp_path / "kept.jsonl", threads=1)
    assert Mistakes.model_validate_json(found.model_dump_json()) == found
    for side, model in zip(evaluated, found.models, strict=True):
        assert model.error.value == pytest.approx(1 - side.manifest.metrics.test_accuracy)
        assert {each.name for each in model.patterns} == {"brightness", "contrast", "edges", "off_centre", "similarity"}
        assert sum(part.images for part in model.patterns[0].bins) == found.data.images
    shares = found.overlap
    assert shares.only_first.value + shares.both.value == pytest.approx(found.models[0].error.value)
    off_centers = [next(each for each in model.patterns if each.name == "off_centre") for model in found.models]
    assert off_centers[0].bins != off_centers[1].bins  # each model's own saliency
    for draw in mistake_figures(found, evaluated, pair.images.dataset, threads=1).values():
        assert png(draw(LIGHT)) != png(draw(DARK))


@pytest.mark.slow
def test_interrupted_mistakes_resume_from_the_cache(
    pair: PublishedPair,
    evaluated: tuple[VersionPredictions, VersionPredictions],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memory = tmp_path / "kept.jsonl"
    whole = find_mistakes(*evaluated, pair.images, memory, threads=1)

    def never(*_: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(find, "saliency_maps", never)
    monkeypatch.setattr(find, "image_properties", never)
    assert find_mistakes(*evaluated, pair.images, memory, threads=1) == whole


@pytest.mark.slow
def test_versions_of_different_data_are_refused(
    pair: PublishedPair, evaluated: tuple[VersionPredictions, VersionPredictions], tmp_path: Path
) -> None:
    first, second = evaluated
    evaluation = second.evaluation
    other = evaluation.model_copy(update={"data": evaluation.data.model_copy(update={"digest": "c" * 64})})
    with pytest.raises(DifferentImagesError, match=f"{evaluation.data.digest}.*{'c' * 64}"):
        find_mistakes(
            first, dataclasses.replace(second, evaluation=other), pair.images, tmp_path / "kept.jsonl", threads=1
        )
    answers = second.predictions
    swapped = SplitPredictions(answers.index[::-1], answers.labels, answers.probabilities)
    with pytest.raises(NotEvaluatedError):
        find_mistakes(
            first, dataclasses.replace(second, predictions=swapped), pair.images, tmp_path / "kept.jsonl", threads=1
        )


@pytest.mark.slow
def test_mistakes_on_other_images_are_refused(
    pair: PublishedPair, evaluated: tuple[VersionPredictions, VersionPredictions], tmp_path: Path
) -> None:
    other = small_dataset(seed=7)
    with pytest.raises(DataError, match="set --data-dir to the data set it was evaluated on"):
        find_mistakes(*evaluated, Images(other, split_for(other)), tmp_path / "kept.jsonl", threads=1)


@pytest.mark.slow
def test_version_without_evaluation_is_refused(pair: PublishedPair, tmp_path: Path) -> None:
    folder = shutil.copytree(pair.folder(pair.cnn), tmp_path / "1")
    (folder / "evaluation.json").unlink()
    with pytest.raises(DataError, match=r"cnn@1 has no readable evaluation.json: .*`duet export`"):
        VersionPredictions.read(pair.cnn, folder)
