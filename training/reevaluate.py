"""`duet evaluate`: measure a published version again and hold the result against its evaluation.json."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.errors import DataError
from core.evaluation import Evaluation, read_evaluation
from core.manifest import GRAPHS, Manifest
from training.answers import answer
from training.images import Images
from training.judge import evaluated_data
from training.out_of_distribution import score_strangeness
from training.scoring import score
from training.strange_images import strange_images

TOLERANCE = 1e-6
"""Largest difference of a figure, absolute or relative; counts must be equal."""
_LATER = frozenset({"band", "ece_before_temperature", "strange"})
"""Figures that versions lack which were published before they were measured."""


def evaluate_version(folder: Path, manifest: Manifest, images: Images, *, threads: int) -> Evaluation:
    """Run a version's graphs on the test images and score each with the thresholds that the version has for it.

    Raises:
        DataError: the data set has other classes or another image size than the version.
    """
    require_same_classes(manifest, images)
    dataset = images.dataset
    scores, strange = {}, strange_images(dataset.test.images_NHWC)
    for precision, calibration in manifest.calibration.items():
        graph = folder / GRAPHS[precision]
        logits_NK = answer(graph, dataset.test.images_NHWC, threads=threads)
        scores[precision] = score(logits_NK, dataset.test.labels_N, manifest.class_names, calibration).model_copy(
            update={"strange": score_strangeness(graph, logits_NK, strange, calibration, threads=threads)}
        )
    return Evaluation(data=evaluated_data(images), class_names=manifest.class_names, scores=scores)


def require_same_classes(manifest: Manifest, images: Images) -> None:
    """Check that a version can be measured on these images.

    Raises:
        DataError: the data set has other classes or another image size than the version.
    """
    dataset = images.dataset
    size = (manifest.input.height, manifest.input.width)
    if dataset.class_names != manifest.class_names or dataset.test.images_NHWC.shape[1:3] != size:
        raise DataError(
            f"{manifest.reference} was trained on {manifest.data.name} ({len(manifest.class_names)} classes, "
            f"{size[1]}x{size[0]}) and cannot be evaluated on {dataset.name}: its classes or image size differ"
        )


def published_evaluation(folder: Path, measured: Evaluation) -> Evaluation | None:
    """The version's evaluation.json, or None where it was made on other images than `measured`."""
    published = read_evaluation(folder)
    return published if published.data == measured.data else None


def disagreements(published: Evaluation, measured: Evaluation) -> list[str]:
    """Every figure in which two evaluations differ: counts at all, other numbers by more than 1e-6.

    Figures that were not measured yet when the first was published, kinds of strange images among them, cannot differ.
    """
    return list(_differences(published.model_dump(mode="json"), measured.model_dump(mode="json"), ""))


def _differences(first: Any, second: Any, path: str) -> Iterator[str]:
    if isinstance(first, dict) and isinstance(second, dict) and first.keys() == second.keys():
        for key in first:
            if key in _LATER and first[key] is None:
                continue
            other = second[key]
            if key == "strange" and other is not None:
                known = {strange["kind"] for strange in first[key]}
                other = [strange for strange in other if strange["kind"] in known]
            yield from _differences(first[key], other, f"{path}.{key}" if path else key)
    elif isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        for position, (one, other) in enumerate(zip(first, second, strict=True)):
            yield from _differences(one, other, f"{path}[{position}]")
    elif isinstance(first, float) and isinstance(second, float):
        if not math.isclose(first, second, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            yield f"{path}: published {first!r}, measured {second!r}"
    elif first != second:
        yield f"{path}: published {first!r}, measured {second!r}"
