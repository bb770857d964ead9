"""`duet evaluate`: measure a published version again and hold the result against its evaluation.json."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.errors import DataError
from core.repository.evaluation import Evaluation, read_evaluation
from core.repository.manifest import GRAPHS, Manifest
from training.data.split_dataset import Images
from training.evaluation.evaluate import evaluated_data
from training.evaluation.ood import score_strangeness
from training.evaluation.ood_images import ood_images
from training.evaluation.scores import score
from training.export.run_onnx import predict_logits

TOLERANCE = 1e-6
"""Largest difference of a figure, absolute or relative; counts must be equal."""
_LATER = frozenset({"band", "calibration_images", "ece_before_temperature", "if_calibrated", "strange"})
"""Figures that versions lack which were published before they were measured."""
_DRAWN_TOLERANCE = 1e-3
"""As `TOLERANCE`, of figures from drawn labels: rounding on another processor can turn single draws."""


def evaluate_version(folder: Path, manifest: Manifest, images: Images, *, threads: int) -> Evaluation:
    """Run a version's graphs on the test images and score each with the thresholds that the version has for it.

    Raises:
        DataError: the data set has other classes or another image size or geometry than the version.
    """
    require_same_classes(manifest, images)
    dataset = images.dataset
    scores, strange = {}, ood_images(dataset.test.images_NHWC)
    for precision, calibration in manifest.calibration.items():
        graph = folder / GRAPHS[precision]
        logits_NK = predict_logits(graph, dataset.test.images_NHWC, threads=threads)
        scores[precision] = score(
            logits_NK,
            dataset.test.labels_N,
            manifest.class_names,
            calibration,
            calibration_images=manifest.data.counts["holdout"],
        ).model_copy(update={"strange": score_strangeness(graph, logits_NK, strange, calibration, threads=threads)})
    return Evaluation(data=evaluated_data(images), class_names=manifest.class_names, scores=scores)


def require_same_classes(manifest: Manifest, images: Images) -> None:
    """Check that a version can be measured on these images.

    Raises:
        DataError: the data set has other classes or another image size or geometry than the version.
    """
    dataset = images.dataset
    size = (manifest.input.height, manifest.input.width)
    if dataset.class_names != manifest.class_names or dataset.test.images_NHWC.shape[1:3] != size:
        raise DataError(
            f"{manifest.reference} was trained on {manifest.data.name} ({len(manifest.class_names)} classes, "
            f"{size[1]}x{size[0]}) and cannot be evaluated on {dataset.name}: its classes or image size differ"
        )
    if dataset.geometry not in (None, manifest.input.geometry):
        raise DataError(
            f"{manifest.reference} takes images by {manifest.input.geometry}, and those of {dataset.name} were fitted "
            f"by {dataset.geometry}: measure it by itself, and its images are read as it takes them"
        )


def published_evaluation(folder: Path, measured: Evaluation) -> Evaluation | None:
    """The version's evaluation.json, or None where it was made on other images than `measured`."""
    published = read_evaluation(folder)
    return published if published.data == measured.data else None


def disagreements(published: Evaluation, measured: Evaluation) -> list[str]:
    """Every figure in which two evaluations differ: counts at all, other numbers by more than 1e-6.

    Figures that were not measured yet when the first was published, kinds of strange images among them, cannot differ,
    and neither can the band of coverage where it took no account of the calibration images. Figures from drawn labels
    may differ by 1e-3.
    """
    return list(_differences(published.model_dump(mode="json"), measured.model_dump(mode="json"), ""))


def _differences(first: Any, second: Any, path: str, tolerance: float = TOLERANCE) -> Iterator[str]:
    if isinstance(first, dict) and isinstance(second, dict) and first.keys() == second.keys():
        for key in first:
            older_band = key == "band" and first["calibration_images"] is None
            if older_band or (key in _LATER and first[key] is None):
                continue
            allowed = _DRAWN_TOLERANCE if key == "if_calibrated" else tolerance
            other = second[key]
            if key == "strange" and other is not None:
                known = {strange["kind"] for strange in first[key]}
                other = [strange for strange in other if strange["kind"] in known]
            yield from _differences(first[key], other, f"{path}.{key}" if path else key, allowed)
    elif isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        for position, (one, other) in enumerate(zip(first, second, strict=True)):
            yield from _differences(one, other, f"{path}[{position}]", tolerance)
    elif isinstance(first, float) and isinstance(second, float):
        if not math.isclose(first, second, rel_tol=tolerance, abs_tol=tolerance):
            yield f"{path}: published {first!r}, measured {second!r}"
    elif first != second:
        yield f"{path}: published {first!r}, measured {second!r}"
