"""Robustness of one version: accuracy under corruptions, shifts, rotations and adversarial attacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import torch
from captum.robust import FGSM

from core.records.base import ReportedModel, pack_bits, unpack_bits
from core.records.robustness import Condition, ConditionFigure, ConditionKind, Robustness
from core.repository.evaluation import StrangeImages
from core.repository.graph_records import Calibration
from core.repository.manifest import GRAPHS, Manifest
from core.repository.onnx_session import open_session
from core.statistics.calibration import expected_calibration_error, softmax
from core.statistics.conformal import prediction_set_mask
from core.statistics.energy import energy
from training.corruptions.cifar10c import CORRUPTIONS, LEFT_OUT, NAME, SEVERITIES, corrupted
from training.corruptions.geometry import ROTATIONS, SHIFTS, rotated, shifted
from training.corruptions.original_noise import DEVIATION, FACTORS, noisy_original
from training.data.preprocessing import scale_pixels
from training.data.split_dataset import Images
from training.data.test_subset import subset_of_test
from training.evaluation.ood import ood_images, score_ood
from training.evaluation.reproduce import require_same_classes
from training.export.run_onnx import predict_logits_in
from training.export.weights import stored_classifier
from training.networks import Classifier
from training.run.resume_cache import ResumeCache

IMAGES = 2_000
QUICK_IMAGES = 100
SEED = 0
EPSILONS = (1, 2, 4, 8)
"""Steps of the adversarial attack in 1/255 of the range. Attacked images are whole values, the input of the graph."""
_ATTACK_BATCH = 100
_FIGURES: tuple[ConditionFigure, ...] = get_args(ConditionFigure)
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Trial:
    """A condition to measure; `change` transforms the images of the subset."""

    name: str
    kind: ConditionKind
    level: int
    setting: str
    change: Callable[[Pixels], Pixels]


def measure_robustness(
    manifest: Manifest,
    folder: Path,
    images: Images,
    cache_path: Path,
    *,
    threads: int,
    count: int | None = IMAGES,
    progress: Callable[[str, int, int], None] = lambda name, done, of: None,
) -> Robustness:
    """Measure the float32 graph of a version under all conditions on a fixed, stratified subset of the test images.

    Args:
        manifest: manifest of the version.
        folder: folder of the version.
        images: the data set.
        cache_path: file that caches measured conditions, so that an interrupted run resumes.
        threads: number of onnxruntime threads.
        count: size of the subset; None for all test images.
        progress: called with the condition, the number of finished conditions and the total number.

    Raises:
        DataError: the data set has other classes or another image size than the version.
    """
    require_same_classes(manifest, images)
    subset, data = subset_of_test(images.dataset, len(images.dataset.test) if count is None else count)
    model = ReportedModel.of(manifest)
    session = open_session(folder / GRAPHS["fp32"], threads=threads)
    memo = ResumeCache(
        cache_path, {"model": model.weights, **data.model_dump(), "corruption_seed": SEED, "figures": _FIGURES}
    )
    trials = list(_trials(stored_classifier(manifest, folder), subset.labels_N, subset.images_NHWC.shape[1:3]))
    calibration = manifest.calibration["fp32"]

    def measured(trial: Trial) -> dict[str, Any]:
        logits_NK = predict_logits_in(session, trial.change(subset.images_NHWC))
        right_N = logits_NK.argmax(axis=1) == subset.labels_N
        return {"right": pack_bits(right_N), **_figures(logits_NK, subset.labels_N, calibration)}

    conditions = []
    for done, trial in enumerate(trials):
        progress(f"{trial.name} {trial.level}", done, len(trials))
        known = dict(memo.get_or_compute(f"{trial.name} {trial.level}", partial(measured, trial)))
        right_N = unpack_bits(known.pop("right"), len(subset))
        conditions.append(Condition.of(trial.name, trial.kind, trial.level, trial.setting, right_N, **known))
    progress("out-of-distribution images", len(trials), len(trials))

    def of_no_class() -> list[dict[str, Any]]:
        scores = score_ood(
            folder / GRAPHS["fp32"],
            predict_logits_in(session, subset.images_NHWC),
            ood_images(subset.images_NHWC),
            calibration,
            threads=threads,
        )
        return [each.model_dump(mode="json") for each in scores]

    strange = memo.get_or_compute("images of no class", of_no_class)
    progress("done", len(trials), len(trials))
    return Robustness(
        model=model,
        data=data,
        benchmark=NAME,
        left_out=(LEFT_OUT,),
        seed=SEED,
        conditions=tuple(conditions),
        strange=tuple(StrangeImages.model_validate(each) for each in strange),
    )


def _figures(
    logits_NK: npt.NDArray[np.float32], labels_N: npt.NDArray[np.int64], calibration: Calibration
) -> dict[str, float]:
    """Metrics of a condition other than accuracy."""
    probabilities_NK = softmax(logits_NK, calibration.temperature)
    sets_NK = prediction_set_mask(probabilities_NK, calibration.conformal_threshold)
    return {
        "flag_rate": float((energy(logits_NK) > calibration.ood_threshold).mean()),
        "mean_confidence": float(probabilities_NK.max(axis=1).mean()),
        "ece": expected_calibration_error(probabilities_NK, labels_N),
        "coverage": float(sets_NK[np.arange(len(labels_N)), labels_N].mean()),
    }


def _trials(classifier: Classifier, labels_N: npt.NDArray[np.int64], size: tuple[int, int]) -> Iterator[Trial]:
    yield Trial("clean", "clean", 0, "as they are", lambda images_NHWC: images_NHWC)
    for name, corruption in CORRUPTIONS.items():
        for severity in SEVERITIES:
            yield Trial(
                name, corruption.kind, severity, corruption.setting(severity), partial(_corrupt, name, severity)
            )
    for level, pixels in enumerate(SHIFTS, start=1):
        yield Trial("shift", "shift", level, f"{pixels} pixels", partial(shifted, pixels=pixels))
    for level, degrees in enumerate(ROTATIONS, start=1):
        yield Trial("rotation", "rotation", level, f"{degrees} degrees", partial(rotated, degrees=degrees))
    side = max(size)
    for level, factor in enumerate(FACTORS, start=1):
        setting = f"{factor * side} pixels, deviation {DEVIATION:g}"
        yield Trial("noisy_original", "original", level, setting, partial(noisy_original, factor=factor, seed=SEED))
    for level, step in enumerate(EPSILONS, start=1):
        attack = partial(attacked, classifier, labels_N=labels_N, step=step)
        yield Trial("fgsm", "fgsm", level, f"{step}/255", attack)


def attacked(
    classifier: Classifier, images_NHWC: npt.NDArray[np.uint8], labels_N: npt.NDArray[np.int64], step: int
) -> npt.NDArray[np.uint8]:
    """Attack images with the fast gradient sign method (Goodfellow et al. 2015); uint8 [N, H, W, 3].

    Args:
        classifier: attacked network in evaluation mode on the CPU.
        images_NHWC: uint8 [N, H, W, 3].
        labels_N: true classes; the attack raises their cross-entropy.
        step: change of each value in 1/255 of the range.
    """
    attack = FGSM(classifier, loss_func=torch.nn.CrossEntropyLoss(reduction="none"), lower_bound=0.0, upper_bound=1.0)
    parts = []
    for start in range(0, len(images_NHWC), _ATTACK_BATCH):
        block = slice(start, start + _ATTACK_BATCH)
        pixels = torch.from_numpy(scale_pixels(images_NHWC[block])).requires_grad_()
        changed = attack.perturb(pixels, epsilon=step / 255, target=torch.from_numpy(labels_N[block]))
        parts.append(np.rint(changed.detach().numpy() * 255).astype(np.uint8))
    return np.concatenate(parts)


def _corrupt(name: str, severity: int, images_NHWC: Pixels) -> Pixels:
    return corrupted(name, severity, images_NHWC, SEED)
