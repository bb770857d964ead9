"""One version under all conditions: subset -> corrupt, move, turn, attack -> answer -> record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.manifest import GRAPHS, Manifest
from core.reports.record import ReportedModel
from core.reports.robustness import Condition, ConditionKind, Robustness
from core.sessions import open_session
from training.answers import answer_in
from training.images import Images
from training.memo import Memo
from training.networks import Classifier
from training.reevaluate import require_same_classes
from training.republish import stored_classifier
from training.robustness.attack import EPSILONS, attacked
from training.robustness.corruptions import CORRUPTIONS, LEFT_OUT, NAME, SEVERITIES, corrupted
from training.robustness.geometry import ROTATIONS, SHIFTS, rotated, shifted
from training.subset import subset_of_test

IMAGES = 2_000
QUICK_IMAGES = 100
SEED = 0
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Trial:
    """A condition that is still to be measured; `change` makes its images of those of the subset."""

    name: str
    kind: ConditionKind
    level: int
    setting: str
    change: Callable[[Pixels], Pixels]


def measure_robustness(
    manifest: Manifest,
    folder: Path,
    images: Images,
    memory: Path,
    *,
    threads: int,
    quick: bool = False,
    progress: Callable[[str, int, int], None] = lambda name, done, of: None,
) -> Robustness:
    """Measure a version's float32 graph on a fixed, stratified subset of the test images, changed in many ways.

    Args:
        manifest: of the version.
        folder: of the version.
        images: the data set.
        memory: a file that keeps what is measured until all is; a run that was stopped goes on from it.
        threads: of onnxruntime.
        quick: 100 images instead of 2,000.
        progress: is told what is being measured, how many conditions are done and how many there are.

    Raises:
        DataError: the data set has other classes or another image size than the version.
    """
    require_same_classes(manifest, images)
    subset, data = subset_of_test(images.dataset, QUICK_IMAGES if quick else IMAGES)
    model = ReportedModel.of(manifest)
    session = open_session(folder / GRAPHS["fp32"], threads=threads)
    memo = Memo(memory, {"model": model.weights, **data.model_dump(), "corruption_seed": SEED})
    trials = list(_trials(stored_classifier(manifest, folder), subset.labels_N))

    def right(trial: Trial) -> list[bool]:
        logits_NK = answer_in(session, trial.change(subset.images_NHWC))
        return [bool(answered) for answered in logits_NK.argmax(axis=1) == subset.labels_N]

    conditions = []
    for done, trial in enumerate(trials):
        progress(f"{trial.name} {trial.level}", done, len(trials))
        right_N = np.array(memo.recall(f"{trial.name} {trial.level}", partial(right, trial)), np.bool_)
        conditions.append(Condition.of(trial.name, trial.kind, trial.level, trial.setting, right_N))
    progress("done", len(trials), len(trials))
    return Robustness(
        model=model, data=data, benchmark=NAME, left_out=(LEFT_OUT,), seed=SEED, conditions=tuple(conditions)
    )


def _trials(classifier: Classifier, labels_N: npt.NDArray[np.int64]) -> Iterator[Trial]:
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
    for level, step in enumerate(EPSILONS, start=1):
        attack = partial(_attack, classifier, labels_N, step)
        yield Trial("fgsm", "fgsm", level, f"{step}/255", attack)


def _corrupt(name: str, severity: int, images_NHWC: Pixels) -> Pixels:
    return corrupted(name, severity, images_NHWC, SEED)


def _attack(classifier: Classifier, labels_N: npt.NDArray[np.int64], step: int, images_NHWC: Pixels) -> Pixels:
    return attacked(classifier, images_NHWC, labels_N, step)
