"""Evaluation of attribution methods: deletion, insertion, sensitivity and parameter randomization."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from core.records.base import ReportedModel, plain
from core.records.explanations import (
    SMOOTHGRAD_NOISE,
    Check,
    ControlGain,
    Curve,
    Explanations,
    MethodEvaluation,
    MethodName,
    NoiseLevel,
    Randomized,
)
from core.repository.manifest import Manifest
from core.statistics.intervals import ConfidenceInterval, mean_estimate
from training.analysis.interpret import methods
from training.analysis.interpret.checks import MAX_CORRELATION, MAX_EXCESS, checks
from training.analysis.interpret.controls import CONTROLS, image_controls
from training.analysis.interpret.methods import applicable_methods, attribute, is_flat, target_class
from training.analysis.interpret.randomization import cascade, correlations_with_others, rank_correlations
from training.analysis.interpret.removal import STEPS, area, removal_curves
from training.analysis.interpret.smoothgrad_noise import noise_levels
from training.analysis.interpret.subject import Subject
from training.data.preprocessing import scale_pixels
from training.data.split_dataset import Images
from training.data.test_subset import stratified, subset_of_test
from training.evaluation.reproduce import require_same_classes
from training.export.weights import stored_classifier
from training.networks import Classifier
from training.run.resume_cache import ResumeCache

IMAGES, QUICK_IMAGES = 100, 10
DISTURBED, QUICK_DISTURBED = 40, 4
"""Images for sensitivity and randomization, which explain each image many times."""
DISTURBANCES = 3
"""Noise samples per image."""
RADIUS = 0.02
"""Maximum noise of a value in [0, 1]: 5 of 255 steps, hardly visible."""
SEED = 0
Labels = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]


def evaluate_explanations(
    manifest: Manifest,
    folder: Path,
    images: Images,
    cache_path: Path,
    *,
    target: str | None = None,
    quick: bool = False,
    progress: Callable[[str, int, int], None] = lambda name, done, of: None,
) -> Explanations:
    """Evaluate all applicable methods of a version on a fixed, stratified subset of the test images.

    Args:
        manifest: manifest of the version.
        folder: folder of the version.
        images: the data set.
        cache_path: file that caches finished methods, so that an interrupted run resumes.
        target: class to explain; by default the predicted class of each image.
        quick: use a tenth of the images.
        progress: called with the method, the number of finished methods and the total number.

    Raises:
        ConfigurationError: the class does not exist.
        DataError: the data set has other classes or another image size than the version.
    """
    require_same_classes(manifest, images)
    number = None if target is None else target_class(target, manifest.class_names)
    test, data = subset_of_test(images.dataset, QUICK_IMAGES if quick else IMAGES)
    classifier = stored_classifier(manifest, folder).requires_grad_(False)
    pixels_NHWC = scale_pixels(test.images_NHWC)
    with torch.no_grad():
        predicted_N = classifier(torch.from_numpy(pixels_NHWC)).argmax(1).numpy()
    subject = Subject(
        classifier,
        pixels_NHWC,
        predicted_N if number is None else np.full_like(predicted_N, number),
        stratified(test.labels_N, QUICK_DISTURBED if quick else DISTURBED),
        manifest.input.mean,
        manifest.calibration["fp32"].temperature,
    )
    model = ReportedModel.of(manifest)
    memo = ResumeCache(
        cache_path, {"model": model.weights, "target": target, **data.model_dump(), "settings": settings()}
    )
    names = applicable_methods(classifier)
    evaluated = []
    for done, name in enumerate(names):
        progress(name, done, len(names))
        result = memo.get_or_compute(name, partial(_as_json, name, subject))
        evaluated.append(MethodEvaluation.model_validate(result))
    progress("done", len(names), len(names))
    levels = memo.get_or_compute("noise levels", partial(_noise_as_json, classifier, images, quick=quick))
    unfit = () if "grad_cam" in names else (f"{plain('grad_cam')}, as the network has no feature maps",)
    return Explanations(
        model=model,
        data=data,
        target="predicted" if target is None else target,
        seed=SEED,
        settings=settings(),
        methods=tuple(evaluated),
        unfit=unfit,
        noise_levels=tuple(NoiseLevel.model_validate(level) for level in levels),
    )


def _as_json(name: MethodName, subject: Subject) -> dict[str, Any]:
    return evaluate_method(name, subject).model_dump(mode="json")


def _noise_as_json(classifier: Classifier, images: Images, *, quick: bool) -> list[dict[str, Any]]:
    return [level.model_dump(mode="json") for level in noise_levels(classifier, images, quick=quick)]


def evaluate_method(name: MethodName, subject: Subject) -> MethodEvaluation:
    """Evaluate one method. Images with a flat map are left out."""
    maps_NHW = attribute(name, subject.classifier, subject.pixels_NHWC, subject.target_N, seed=SEED)
    useful_N = np.array([not is_flat(map_HW) for map_HW in maps_NHW])
    empty = MethodEvaluation(
        method=name, flat=int((~useful_N).sum()), images=int(useful_N.sum()), deletion=None, deletion_gain=None,
        insertion=None, insertion_gain=None, sensitivity=None, deletion_curve=None, insertion_curve=None, cascade=(),
        checks=tuple(
            Check(name=check, passed=False, reason="every map is flat")
            for check in ("deletion", "insertion", "randomisation")
        ),
    )  # fmt: skip
    if not useful_N.any():
        return empty
    shown = dataclasses.replace(subject, few=_useful(subject.few, useful_N))
    deletion_NS, deletion_controls, deletion_moved_NS = _against_controls(subject, maps_NHW, useful_N, 0)
    insertion_NS, insertion_controls, insertion_moved_NS = _against_controls(subject, maps_NHW, useful_N, 1)
    rows, fresh_F = randomized(name, shown, maps_NHW[shown.few])
    others_F = correlations_with_others(maps_NHW[shown.few])
    measured = empty.model_copy(
        update={
            "deletion": mean_estimate(area(deletion_NS)),
            "deletion_gain": _smallest(deletion_controls),
            "deletion_controls": deletion_controls,
            "insertion": mean_estimate(area(insertion_NS)),
            "insertion_gain": _smallest(insertion_controls),
            "insertion_controls": insertion_controls,
            "deletion_curve": _curve(deletion_NS, deletion_moved_NS),
            "insertion_curve": _curve(insertion_NS, insertion_moved_NS),
            "sensitivity": mean_estimate(sensitivity(name, shown, maps_NHW[shown.few])),
            "cascade": rows,
            "other_images": mean_estimate(others_F),
            "excess": mean_estimate(fresh_F - others_F),
        }
    )
    return measured.model_copy(update={"checks": checks(measured)})


def _against_controls(
    subject: Subject, maps_NHW: Doubles, useful_N: npt.NDArray[np.bool_], part: int
) -> tuple[Doubles, tuple[ControlGain, ...], Doubles]:
    """Return curves of the maps that are not flat, the gain over each control, and curves of the moved maps.

    `part` is 0 for deletion, where a smaller area is better, and 1 for insertion.
    """
    start_NHWC, end_NHWC = (subject.deletion, subject.insertion)[part]
    maps_UHW, random = maps_NHW[useful_N], np.random.default_rng(SEED)
    controls = image_controls(maps_UHW, subject.target_N[useful_N], random)
    own_US, *others = removal_curves(
        subject.probability(useful_N), start_NHWC[useful_N], end_NHWC[useful_N], [maps_UHW, *controls.values()]
    )
    curves = {**dict(zip(controls, others, strict=True)), "center": subject.centered[part][useful_N]}
    sign = (1, -1)[part]
    gains = tuple(
        ControlGain(control=name, gain=mean_estimate(sign * (area(curves[name]) - area(own_US)))) for name in CONTROLS
    )
    return own_US, gains, curves["moved"]


def _smallest(gains: tuple[ControlGain, ...]) -> ConfidenceInterval:
    """Gain over the strongest control."""
    return min((each.gain for each in gains), key=lambda gain: gain.value)


def _useful(few: Labels, useful_N: npt.NDArray[np.bool_]) -> Labels:
    """Select the images with a map that is not flat; if `few` has none, as many others. At least one must exist."""
    kept = few[useful_N[few]]
    return kept if len(kept) else np.flatnonzero(useful_N)[: len(few)]


def sensitivity(name: MethodName, subject: Subject, maps_FHW: Doubles) -> Doubles:
    """Largest ||map of the noisy image - map|| / ||map|| over several noise samples, float64 [F].

    Yeh et al. 2019, "On the (in)fidelity and sensitivity of explanations". Maps must not be flat.
    """
    random = np.random.default_rng(SEED)
    pixels_FHWC = subject.pixels_NHWC[subject.few]
    norms_F = np.linalg.norm(maps_FHW.reshape(len(maps_FHW), -1), axis=1)
    largest_F = np.zeros(len(maps_FHW))
    for _ in range(DISTURBANCES):
        noise_FHWC = random.uniform(-RADIUS, RADIUS, size=pixels_FHWC.shape).astype(np.float32)
        near_FHW = attribute(
            name, subject.classifier, pixels_FHWC + noise_FHWC, subject.target_N[subject.few], seed=SEED
        )
        changes_F = np.linalg.norm((near_FHW - maps_FHW).reshape(len(maps_FHW), -1), axis=1)
        largest_F = np.maximum(largest_F, changes_F / norms_F)
    return largest_F


def randomized(name: MethodName, subject: Subject, maps_FHW: Doubles) -> tuple[tuple[Randomized, ...], Doubles]:
    """Rank correlation of the maps with those of networks with randomized layers, from the last to the first.

    Returns:
        A row per layer, and the correlation of each image after all layers are randomized, float64 [F].
    """
    pixels_FHWC, target_F = subject.pixels_NHWC[subject.few], subject.target_N[subject.few]
    _, height, width, _ = pixels_FHWC.shape
    rows, correlation_F = [], np.ones(len(maps_FHW))
    for layer, network in cascade(subject.classifier, height=height, width=width, seed=SEED):
        fresh_FHW = attribute(name, network, pixels_FHWC, target_F, seed=SEED)
        correlation_F = rank_correlations(maps_FHW, fresh_FHW)
        rows.append(Randomized(layer=layer, correlation=mean_estimate(correlation_F)))
    return tuple(rows), correlation_F


def _curve(curve_NS: Doubles, moved_NS: Doubles) -> Curve:
    return Curve(
        shares=tuple(np.linspace(0, 1, curve_NS.shape[1]).tolist()),
        probability=tuple(curve_NS.mean(axis=0).tolist()),
        random=tuple(moved_NS.mean(axis=0).tolist()),
    )


def settings() -> dict[str, float]:
    """Settings of the evaluation. A record with other settings is outdated."""
    return {
        "integrated_gradients_steps": methods.STEPS,
        "smoothgrad_samples": methods.SAMPLES,
        "smoothgrad_noise": SMOOTHGRAD_NOISE,
        "removal_steps": STEPS,
        "controls": len(CONTROLS),
        "sensitivity_radius": RADIUS,
        "sensitivity_draws": DISTURBANCES,
        "most_correlation": MAX_CORRELATION,
        "most_excess": MAX_EXCESS,
    }
