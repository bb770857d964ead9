"""Error analysis of two versions by stored predictions: classes, confusions, confidence, overlap, properties."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from core.comparison.pairwise import Pairwise, compare_predictions
from core.errors import DataError
from core.records.base import ReportedData, ReportedModel
from core.records.mistakes import (
    ClassError,
    Confidence,
    Confusion,
    Mistakes,
    ModelMistakes,
    Notable,
    Overlap,
    PropertyName,
    TopClass,
)
from core.repository.evaluation import EVALUATION_NAME, Evaluation, read_evaluation
from core.repository.manifest import Manifest
from core.repository.predictions import SplitPredictions, load_predictions
from core.statistics.intervals import mean_estimate, proportion
from training.analysis.mistakes.properties import gradient_session, image_properties, off_centre, pattern, saliency_maps
from training.data.split_dataset import Images
from training.data.test_subset import SEED, stratified
from training.run.resume_cache import ResumeCache

SURE = 0.9
"""Minimum probability of a confident prediction."""
CONFUSIONS = 12
NOTABLE = 12
CANDIDATES = 48
QUICK_IMAGES = 300
_BLOCK = 1_000
"""Images per entry of the cache of an interrupted run."""
Pixels = npt.NDArray[np.uint8]
Doubles = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class VersionPredictions:
    """A version and its stored predictions on the test images.

    Attributes:
        evaluation: stored evaluation, with the identity of the test images.
        predictions: class probabilities of the test images.
    """

    manifest: Manifest
    folder: Path
    evaluation: Evaluation
    predictions: SplitPredictions

    @classmethod
    def read(cls, manifest: Manifest, folder: Path) -> VersionPredictions:
        """Read the files of a published version.

        Raises:
            DataError: the version has no stored predictions or no evaluation.
        """
        predictions = load_predictions(folder, "test")
        try:
            evaluation = read_evaluation(folder)
        except (OSError, ValidationError) as error:
            raise DataError(
                f"{manifest.reference} has no readable {EVALUATION_NAME}: publish the version again with `duet export`"
            ) from error
        return cls(manifest, folder, evaluation, predictions)


def compare_versions(first: VersionPredictions, second: VersionPredictions) -> Pairwise:
    """Compare the stored predictions of both versions.

    Raises:
        DifferentImagesError: they were evaluated on different data.
        NotEvaluatedError: their predictions are of different images of the same data.
    """
    return compare_predictions(
        (first.manifest.reference, second.manifest.reference),
        (first.evaluation.data, second.evaluation.data),
        (first.evaluation.class_names, second.evaluation.class_names),
        (first.predictions, second.predictions),
    )


def find_mistakes(
    first: VersionPredictions,
    second: VersionPredictions,
    images: Images,
    cache_path: Path,
    *,
    threads: int,
    quick: bool = False,
    progress: Progress = lambda name, done, of: None,
) -> Mistakes:
    """Analyze the mistakes of two versions.

    Args:
        first: first version.
        second: second version.
        images: data set that both were evaluated on.
        cache_path: file that caches measured properties, so that an interrupted run resumes.
        threads: number of onnxruntime threads.
        quick: use 300 images instead of all.
        progress: called with a title, the number of finished images and the total number.

    Raises:
        DifferentImagesError: the versions were evaluated on different data.
        DataError: `images` is another data set, or a version has no gradient.onnx.
    """
    compare_versions(first, second)
    dataset = images.dataset
    if first.evaluation.data.digest != dataset.digest:
        raise DataError(
            f"{first.manifest.reference} was evaluated on {first.evaluation.data.name} "
            f"{first.evaluation.data.digest[:12]}, but these images are {dataset.name} {dataset.digest[:12]}: set "
            "--data-dir to the data set it was evaluated on"
        )
    position_N = np.arange(len(dataset.test))
    if quick:
        position_N = stratified(dataset.test.labels_N, QUICK_IMAGES)
    images_NHWC, labels_N = dataset.test.images_NHWC[position_N], dataset.test.labels_N[position_N]
    weights = [ReportedModel.of(side.manifest).weights for side in (first, second)]
    memo = ResumeCache(cache_path, {"weights": weights, "data": dataset.digest, "images": len(position_N)})
    progress("properties of the images", 0, len(position_N))
    found = memo.get_or_compute("properties", lambda: _properties(images_NHWC, dataset.training.images_NHWC))
    properties: dict[PropertyName, Doubles] = {name: np.array(values) for name, values in found.items()}
    sides, probabilities = [], []
    for version in (first, second):
        probability_NK = version.predictions.probabilities["fp32"][position_N].astype(np.float64)
        probabilities.append(probability_NK)
        off_center_N = _off_center(version, images_NHWC, probability_NK.argmax(axis=1), memo, threads, progress)
        sides.append(_of_model(version.manifest, labels_N, probability_NK, properties | {"off_centre": off_center_N}))
    progress("done", len(position_N), len(position_N))
    names = dataset.class_names
    return Mistakes(
        data=ReportedData(
            name=dataset.name, digest=dataset.digest, images=len(position_N), seed=SEED if quick else None
        ),
        models=(sides[0], sides[1]),
        overlap=overlap(labels_N, probabilities[0].argmax(axis=1), probabilities[1].argmax(axis=1)),
        confident=(
            most_confident(position_N, labels_N, probabilities[0], probabilities[1], names, by=0),
            most_confident(position_N, labels_N, probabilities[0], probabilities[1], names, by=1),
        ),
        label_candidates=label_candidates(position_N, labels_N, probabilities[0], probabilities[1], names),
    )


def overlap(labels_N: Labels, first_N: Labels, second_N: Labels) -> Overlap:
    """Shares of the images that one model or both misclassify."""
    first_wrong, second_wrong = first_N != labels_N, second_N != labels_N
    both = first_wrong & second_wrong
    count, images = int(both.sum()), len(labels_N)
    return Overlap(
        only_first=proportion(int((first_wrong & ~second_wrong).sum()), images),
        only_second=proportion(int((second_wrong & ~first_wrong).sum()), images),
        both=proportion(count, images),
        both_if_independent=float(first_wrong.mean() * second_wrong.mean()),
        same_answer=proportion(int((both & (first_N == second_N)).sum()), count) if count else None,
    )


def most_confident(
    position_N: Labels, labels_N: Labels, first_NK: Doubles, second_NK: Doubles, names: tuple[str, ...], *, by: int
) -> tuple[Notable, ...]:
    """Mistakes of one version (`by`: 0 or 1) with the highest confidence, in descending order."""
    by_NK = (first_NK, second_NK)[by]
    wrong = np.flatnonzero(by_NK.argmax(axis=1) != labels_N)
    surest = wrong[np.argsort(-by_NK[wrong].max(axis=1), kind="stable")][:NOTABLE]
    return tuple(_notable(n, position_N, labels_N, first_NK, second_NK, names) for n in surest)


def label_candidates(
    position_N: Labels, labels_N: Labels, first_NK: Doubles, second_NK: Doubles, names: tuple[str, ...]
) -> tuple[Notable, ...]:
    """Possible label errors: both models predict the same other class with at least 90 %; most confident first."""
    agreed_N = first_NK.argmax(axis=1)
    doubt_N = 1 - np.minimum(first_NK.max(axis=1), second_NK.max(axis=1))
    chosen = np.flatnonzero((agreed_N == second_NK.argmax(axis=1)) & (agreed_N != labels_N) & (doubt_N <= 1 - SURE))
    ordered = chosen[np.argsort(doubt_N[chosen], kind="stable")][:CANDIDATES]
    return tuple(_notable(n, position_N, labels_N, first_NK, second_NK, names) for n in ordered)


def _properties(images_NHWC: Pixels, training_NHWC: Pixels) -> dict[PropertyName, list[float]]:
    return {name: values_N.tolist() for name, values_N in image_properties(images_NHWC, training_NHWC).items()}


def _off_center(
    version: VersionPredictions,
    images_NHWC: Pixels,
    target_N: Labels,
    memo: ResumeCache,
    threads: int,
    progress: Progress,
) -> Doubles:
    """Distance of the saliency centroid from the center for the predicted classes, [N], cached in blocks."""
    session = gradient_session(version.folder, threads=threads)
    classes, reference = len(version.manifest.class_names), version.manifest.reference

    def measured(block: slice) -> list[float]:
        maps_NHW = saliency_maps(session, images_NHWC[block], target_N[block], classes)
        return [float(value) for value in off_centre(maps_NHW)]

    parts = []
    for start in range(0, len(images_NHWC), _BLOCK):
        progress(f"saliency of {reference}", start, len(images_NHWC))
        block = slice(start, start + _BLOCK)
        parts += memo.get_or_compute(f"off center {reference} {start}", partial(measured, block))
    return np.array(parts)


def _of_model(
    manifest: Manifest, labels_N: Labels, probability_NK: Doubles, properties: dict[PropertyName, Doubles]
) -> ModelMistakes:
    predicted_N = probability_NK.argmax(axis=1)
    wrong_N = predicted_N != labels_N
    return ModelMistakes(
        model=ReportedModel.of(manifest),
        error=proportion(int(wrong_N.sum()), len(labels_N)),
        classes=class_errors(labels_N, predicted_N, manifest.class_names),
        confusions=confusions(labels_N, predicted_N, manifest.class_names),
        confidence=confidence(probability_NK.max(axis=1), wrong_N),
        patterns=tuple(pattern(name, values_N, wrong_N) for name, values_N in properties.items()),
    )


def class_errors(labels_N: Labels, predicted_N: Labels, names: tuple[str, ...]) -> tuple[ClassError, ...]:
    """Error rate of each non-empty class, in descending order."""
    rows = [
        ClassError(
            label=names[k],
            images=int((labels_N == k).sum()),
            error=proportion(int((predicted_N[labels_N == k] != k).sum()), int((labels_N == k).sum())),
        )
        for k in np.unique(labels_N)
    ]
    return tuple(sorted(rows, key=lambda row: -row.error.value))


def confusions(labels_N: Labels, predicted_N: Labels, names: tuple[str, ...]) -> tuple[Confusion, ...]:
    """Most frequent confusions as pairs of true and predicted class."""
    counts_KK = np.zeros((len(names), len(names)), np.int64)
    np.add.at(counts_KK, (labels_N, predicted_N), 1)
    support_K = counts_KK.sum(axis=1)
    np.fill_diagonal(counts_KK, 0)
    order = np.argsort(-counts_KK, axis=None, kind="stable")[:CONFUSIONS]
    pairs = (
        (int(true), int(predicted)) for true, predicted in zip(*np.unravel_index(order, counts_KK.shape), strict=True)
    )
    return tuple(
        Confusion(
            label=names[true],
            answer=names[predicted],
            count=int(counts_KK[true, predicted]),
            rate=proportion(int(counts_KK[true, predicted]), int(support_K[true])),
        )
        for true, predicted in pairs
        if counts_KK[true, predicted]
    )


def confidence(top_N: Doubles, wrong_N: npt.NDArray[np.bool_]) -> Confidence:
    """Mean confidence of wrong and correct predictions, from the largest probabilities."""
    wrong, right = top_N[wrong_N], top_N[~wrong_N]
    return Confidence(
        wrong=mean_estimate(wrong) if len(wrong) else None,
        right=mean_estimate(right) if len(right) else None,
        sure_of_wrong=proportion(int((wrong >= SURE).sum()), len(wrong)) if len(wrong) else None,
    )


def _notable(
    n: int, position_N: Labels, labels_N: Labels, first_NK: Doubles, second_NK: Doubles, names: tuple[str, ...]
) -> Notable:
    first, second = (
        TopClass(label=names[int(row_K.argmax())], probability=float(row_K.max()))
        for row_K in (first_NK[n], second_NK[n])
    )
    return Notable(position=int(position_N[n]), label=names[labels_N[n]], first=first, second=second)
