"""Reproduction of an evaluation (`duet evaluate`): evaluate a published version again and compare the scores."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.errors import DataError
from core.repository.evaluation import Evaluation, read_evaluation
from core.repository.manifest import GRAPHS, Manifest
from training.data.split_dataset import Images
from training.evaluation.evaluate import evaluated_data, score_graph
from training.evaluation.ood import ood_images
from training.export.run_onnx import predict_logits

TOLERANCE = 1e-6
"""Accepted absolute or relative difference of a score; counts must be equal."""
_OPTIONAL = frozenset({"band", "calibration_images", "ece_before_temperature", "if_calibrated", "strange"})
"""Scores that older versions do not have."""
_SAMPLED_TOLERANCE = 1e-3
"""`TOLERANCE` for scores from sampled labels, where rounding on another CPU can change single samples."""


def evaluate_version(folder: Path, manifest: Manifest, images: Images, *, threads: int) -> Evaluation:
    """Evaluate all graphs of a version on the test images, with the calibration in its manifest.

    Raises:
        DataError: raised by `require_same_classes`.
    """
    require_same_classes(manifest, images)
    test_NHWC, fitted_on = images.dataset.test.images_NHWC, manifest.data.counts["holdout"]
    scores, ood = {}, ood_images(test_NHWC)
    for precision, calibration in manifest.calibration.items():
        graph = folder / GRAPHS[precision]
        logits_NK = predict_logits(graph, test_NHWC, threads=threads)
        scores[precision] = score_graph(
            graph, logits_NK, images, ood, calibration, calibration_images=fitted_on, threads=threads
        )
    return Evaluation(data=evaluated_data(images), class_names=manifest.class_names, scores=scores)


def require_same_classes(manifest: Manifest, images: Images) -> None:
    """Check that a version can be evaluated on these images.

    Raises:
        DataError: the classes, image size or geometry of the data set differ from those of the version.
    """
    dataset = images.dataset
    size = (manifest.input.height, manifest.input.width)
    if dataset.class_names != manifest.class_names or dataset.test.images_NHWC.shape[1:3] != size:
        raise DataError(
            f"{manifest.reference} was trained on {manifest.data.name} ({len(manifest.class_names)} classes, "
            f"{size[1]}x{size[0]}) and cannot be evaluated on {dataset.name}: its classes or image size differ. Choose "
            "a data set with the same classes and image size"
        )
    if dataset.geometry not in (None, manifest.input.geometry):
        raise DataError(
            f"{manifest.reference} uses geometry {manifest.input.geometry}, but the images of {dataset.name} were "
            f"loaded with {dataset.geometry}: evaluate this version alone, so that the images are loaded for it"
        )


def published_evaluation(folder: Path, measured: Evaluation) -> Evaluation | None:
    """Read the version's evaluation.json; None if it was made on other images than `measured`."""
    published = read_evaluation(folder)
    return published if published.data == measured.data else None


def disagreements(published: Evaluation, measured: Evaluation) -> list[str]:
    """List the scores in which two evaluations differ.

    Counts must be equal, other numbers may differ by 1e-6, and scores from sampled labels by 1e-3. Scores and kinds of
    OOD images that an older version does not have are skipped, and so is its coverage band if it was computed without
    the number of calibration images.
    """
    return list(_differences(published.model_dump(mode="json"), measured.model_dump(mode="json"), ""))


def _differences(first: Any, second: Any, path: str, tolerance: float = TOLERANCE) -> Iterator[str]:
    if isinstance(first, dict) and isinstance(second, dict) and first.keys() == second.keys():
        for key in first:
            older_band = key == "band" and first["calibration_images"] is None
            if older_band or (key in _OPTIONAL and first[key] is None):
                continue
            allowed = _SAMPLED_TOLERANCE if key == "if_calibrated" else tolerance
            other = second[key]
            if key == "strange" and other is not None:
                known = {entry["kind"] for entry in first[key]}
                other = [entry for entry in other if entry["kind"] in known]
            yield from _differences(first[key], other, f"{path}.{key}" if path else key, allowed)
    elif isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        for position, (one, other) in enumerate(zip(first, second, strict=True)):
            yield from _differences(one, other, f"{path}[{position}]", tolerance)
    elif isinstance(first, float) and isinstance(second, float):
        if not math.isclose(first, second, rel_tol=tolerance, abs_tol=tolerance):
            yield f"{path}: published {first!r}, measured {second!r}"
    elif first != second:
        yield f"{path}: published {first!r}, measured {second!r}"
