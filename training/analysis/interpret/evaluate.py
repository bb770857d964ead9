"""Evaluation of attribution methods: deletion, insertion, sensitivity and parameter randomization."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from core.records.base import ReportedModel, plain
from core.records.explanations import Check, CheckName, Curve, Explanations, MethodEvaluation, MethodName, Randomized
from core.repository.manifest import Manifest
from core.statistics.intervals import ConfidenceInterval, mean_estimate
from training.analysis.interpret import methods
from training.analysis.interpret.methods import applicable_methods, attribute, is_flat, target_class
from training.analysis.interpret.randomization import cascade, rank_correlations
from training.analysis.interpret.removal import DRAWS, STEPS, Probability, area, blurred, curves_against_moved
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
MAX_CORRELATION = 0.5
"""Maximum rank correlation of the maps of the trained and the reinitialized network for a method to pass. At 0.5 the
ranks share a quarter of their variance."""
SEED = 0
Pixels = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Subject:
    """A network with the images and classes to explain.

    Attributes:
        pixels_NHWC: images in [0, 1].
        target_N: explained class of each image.
        few: positions of the images for sensitivity and randomization.
        color_C: color of deleted pixels.
    """

    classifier: Classifier
    pixels_NHWC: Pixels
    target_N: Labels
    few: Labels
    color_C: tuple[float, ...]
    temperature: float

    def probability(self, chosen: npt.NDArray[np.bool_]) -> Probability:
        """Return a function that gives the target probability of changed versions of the chosen images."""
        target_N = torch.from_numpy(self.target_N[chosen])

        def of_target(pixels_NHWC: Pixels) -> Doubles:
            with torch.no_grad():
                logits_NK = self.classifier(torch.from_numpy(pixels_NHWC)).double()
            shares_NK = torch.softmax(logits_NK / self.temperature, dim=1)
            return np.asarray(shares_NK.gather(1, target_N[:, None])[:, 0].numpy())

        return of_target

    @property
    def deletion(self) -> tuple[Pixels, Pixels]:
        """Start and end images of deletion: the images, and a uniform color."""
        return self.pixels_NHWC, np.full_like(self.pixels_NHWC, self.color_C)

    @cached_property
    def insertion(self) -> tuple[Pixels, Pixels]:
        """Start and end images of insertion: blurred images, and the images."""
        return blurred(self.pixels_NHWC), self.pixels_NHWC


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
    unfit = () if "grad_cam" in names else (f"{plain('grad_cam')}, as the network has no feature maps",)
    return Explanations(
        model=model,
        data=data,
        target="predicted" if target is None else target,
        seed=SEED,
        settings=settings(),
        methods=tuple(evaluated),
        unfit=unfit,
    )


def _as_json(name: MethodName, subject: Subject) -> dict[str, Any]:
    return evaluate_method(name, subject).model_dump(mode="json")


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
    probability = subject.probability(useful_N)
    (deletion_NS, deletion_moved_NS), (insertion_NS, insertion_moved_NS) = (
        curves_against_moved(probability, start_NHWC[useful_N], end_NHWC[useful_N], maps_NHW[useful_N], seed=SEED)
        for start_NHWC, end_NHWC in (subject.deletion, subject.insertion)
    )
    measured = empty.model_copy(
        update={
            "deletion": mean_estimate(area(deletion_NS)),
            "deletion_gain": mean_estimate(area(deletion_moved_NS) - area(deletion_NS)),
            "insertion": mean_estimate(area(insertion_NS)),
            "insertion_gain": mean_estimate(area(insertion_NS) - area(insertion_moved_NS)),
            "deletion_curve": _curve(deletion_NS, deletion_moved_NS),
            "insertion_curve": _curve(insertion_NS, insertion_moved_NS),
            "sensitivity": mean_estimate(sensitivity(name, shown, maps_NHW[shown.few])),
            "cascade": randomized(name, shown, maps_NHW[shown.few]),
        }
    )
    return measured.model_copy(update={"checks": tuple(_checks(measured))})


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


def randomized(name: MethodName, subject: Subject, maps_FHW: Doubles) -> tuple[Randomized, ...]:
    """Rank correlation of the maps with those of networks with randomized layers, from the last to the first."""
    pixels_FHWC, target_F = subject.pixels_NHWC[subject.few], subject.target_N[subject.few]
    _, height, width, _ = pixels_FHWC.shape
    rows = []
    for layer, network in cascade(subject.classifier, height=height, width=width, seed=SEED):
        fresh_FHW = attribute(name, network, pixels_FHWC, target_F, seed=SEED)
        rows.append(Randomized(layer=layer, correlation=mean_estimate(rank_correlations(maps_FHW, fresh_FHW))))
    return tuple(rows)


def _curve(curve_NS: Doubles, moved_NS: Doubles) -> Curve:
    return Curve(
        shares=tuple(np.linspace(0, 1, curve_NS.shape[1]).tolist()),
        probability=tuple(curve_NS.mean(axis=0).tolist()),
        random=tuple(moved_NS.mean(axis=0).tolist()),
    )


def _checks(measured: MethodEvaluation) -> list[Check]:
    checks = []
    names: tuple[CheckName, ...] = ("deletion", "insertion")
    for name in names:
        gain: ConfidenceInterval = getattr(measured, f"{name}_gain")
        reason = (
            f"gain of {gain.value:+.3f} over the same map at random places (95 % interval {gain.low:+.3f} to "
            f"{gain.high:+.3f}), all of which must lie above 0"
        )
        checks.append(Check(name=name, passed=gain.low > 0, reason=reason))
    last = measured.cascade[-1].correlation
    reason = (
        f"rank correlation {last.value:.3f} (95 % interval {last.low:.3f} to {last.high:.3f}) with maps of fresh "
        f"weights, all of which must lie at or below {MAX_CORRELATION}"
    )
    checks.append(Check(name="randomisation", passed=last.high <= MAX_CORRELATION, reason=reason))
    return checks


def settings() -> dict[str, float]:
    """Settings of the evaluation. A record with other settings is outdated."""
    return {
        "integrated_gradients_steps": methods.STEPS,
        "smoothgrad_samples": methods.SAMPLES,
        "smoothgrad_noise": methods.NOISE,
        "removal_steps": STEPS,
        "moved_maps": DRAWS,
        "sensitivity_radius": RADIUS,
        "sensitivity_draws": DISTURBANCES,
        "most_correlation": MAX_CORRELATION,
    }
