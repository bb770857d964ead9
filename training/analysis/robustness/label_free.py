"""Label-free accuracy of two versions: fit on corrupted holdout images, error on corrupted and rotated test images."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.errors import DataError
from core.records.base import ReportedData, ReportedModel, pack_bits, unpack_bits
from core.records.label_free import Candidate, EstimatedCondition, LabelFree, LabelFreeFit
from core.records.robustness import ConditionKind
from core.repository.manifest import GRAPHS, Manifest
from core.repository.onnx_session import open_session
from core.sequential.disagreement import INPUTS, CorrectnessModel, Inputs, input_values
from core.statistics.calibration import softmax
from training.corruptions.cifar10c import CORRUPTIONS, EXTRA_CORRUPTIONS, SEVERITIES, corrupted
from training.corruptions.geometry import ROTATIONS, rotated
from training.data.split_dataset import Images
from training.data.test_subset import SEED as SUBSET_SEED
from training.data.test_subset import stratified, subset_of_test
from training.data.types import LabelledImages
from training.evaluation.reproduce import require_same_classes
from training.export.run_onnx import predict_logits_in
from training.run.resume_cache import ResumeCache

IMAGES = 1_000
"""Holdout and test images, each under all conditions. The estimate and the accuracy are of the same images."""
SEED = 0
Pixels = npt.NDArray[np.uint8]
Predict = Callable[[Pixels], npt.NDArray[np.float32]]
Fitted = Mapping[tuple[str, int], "Answers"]


@dataclass(frozen=True)
class _Condition:
    """One change of the images; those of the holdout are for the fit."""

    part: str
    name: str
    kind: ConditionKind
    level: int
    change: Callable[[Pixels], Pixels]


@dataclass(frozen=True)
class Answers:
    """Answers of one version under one condition: inputs by name, float64 [N, F], and correctness, bool [N]."""

    values: Mapping[Inputs, npt.NDArray[np.float64]]
    right_N: npt.NDArray[np.bool_]


def measure_label_free(
    manifests: tuple[Manifest, Manifest],
    folders: tuple[Path, Path],
    images: Images,
    cache_path: Path,
    *,
    threads: int,
    count: int = IMAGES,
    progress: Callable[[str, int, int], None] = lambda name, done, of: None,
) -> LabelFree:
    """Fit the estimates of two versions, and measure their errors with the float32 graphs.

    The inputs are chosen by leaving out one kind of corruption at a time (`EXTRA_CORRUPTIONS` on the holdout). The
    corruptions and rotations of the test images are used for the errors alone.

    Args:
        manifests: the two versions, of different families with the same classes.
        folders: their folders.
        images: their data set with its split.
        cache_path: file that caches answers, so that an interrupted run resumes.
        threads: number of onnxruntime threads.
        count: number of holdout and of test images.
        progress: called with the condition, the number of finished conditions and the total number.

    Raises:
        DataError: the data set has other classes or another image size than a version, or another split.
    """
    for manifest in manifests:
        require_same_classes(manifest, images)
        if manifest.data.split_digest != images.split.digest:
            raise DataError(
                f"{manifest.family}@{manifest.version} was trained with another split, so that the holdout is not held "
                "out: use versions of this data set"
            )
    holdout, test = images.part("holdout"), subset_of_test(images.dataset, count)
    chosen_N = stratified(holdout.labels_N, count)
    used = {"holdout": LabelledImages(holdout.images_NHWC[chosen_N], holdout.labels_N[chosen_N]), "test": test[0]}
    models = [ReportedModel.of(manifest) for manifest in manifests]
    memo = ResumeCache(
        cache_path,
        {"models": [each.weights for each in models], **test[1].model_dump(), "seed": SEED, "inputs": INPUTS},
    )
    predict = [
        _probabilities(folder / GRAPHS["fp32"], manifest.calibration["fp32"].temperature, threads)
        for folder, manifest in zip(folders, manifests, strict=True)
    ]
    conditions = list(_conditions())
    answers: list[list[Answers]] = []
    for done, condition in enumerate(conditions):
        progress(f"{condition.part} {condition.name} {condition.level}", done, len(conditions))
        of_part = used[condition.part]
        stored = memo.get_or_compute(
            f"{condition.part} {condition.name} {condition.level}", partial(_answer, predict, of_part, condition)
        )
        answers.append([_unpacked(each, len(of_part)) for each in stored])
    progress("done", len(conditions), len(conditions))
    return LabelFree(
        data=test[1],
        holdout=ReportedData(
            name=images.dataset.name,
            digest=images.dataset.digest,
            images=len(chosen_N),
            seed=None if len(chosen_N) == len(holdout) else SUBSET_SEED,
        ),
        seed=SEED,
        fits=(_fit(models[0], conditions, answers, 0), _fit(models[1], conditions, answers, 1)),
    )


def choose_inputs(fitted: Fitted) -> tuple[Candidate, ...]:
    """Errors of all candidates by leaving out one name at a time, the smallest error first.

    Args:
        fitted: answers by name and level of the condition; "clean" is always in the fit.
    """
    names = sorted({name for name, _ in fitted} - {"clean"})
    candidates = []
    for inputs in INPUTS:
        errors = []
        for left_out in names:
            model = _fitted(inputs, [each for (name, _), each in fitted.items() if name != left_out])
            errors += [
                abs(model.accuracy_of(each.values[inputs]) - each.right_N.mean())
                for (name, _), each in fitted.items()
                if name == left_out
            ]
        candidates.append(Candidate(inputs=inputs, error=float(np.mean(errors))))
    return tuple(sorted(candidates, key=lambda each: each.error))


def _fit(
    model: ReportedModel, conditions: Sequence[_Condition], answers: Sequence[Sequence[Answers]], version: int
) -> LabelFreeFit:
    pairs = [(condition, each[version]) for condition, each in zip(conditions, answers, strict=True)]
    fitted = {(condition.name, condition.level): each for condition, each in pairs if condition.part == "holdout"}
    candidates = choose_inputs(fitted)
    correctness = _fitted(candidates[0].inputs, list(fitted.values()))
    return LabelFreeFit(
        model=model,
        candidates=candidates,
        correctness=correctness,
        conditions=tuple(
            EstimatedCondition(
                name=condition.name,
                kind=condition.kind,
                level=condition.level,
                accuracy=float(each.right_N.mean()),
                estimate=correctness.accuracy_of(each.values[correctness.inputs]),
            )
            for condition, each in pairs
            if condition.part == "test"
        ),
    )


def _fitted(inputs: Inputs, answers: Sequence[Answers]) -> CorrectnessModel:
    values_NF = np.concatenate([each.values[inputs] for each in answers])
    return CorrectnessModel.fit(inputs, values_NF, np.concatenate([each.right_N for each in answers]))


def _conditions() -> Iterator[_Condition]:
    for part, corruptions in (("holdout", EXTRA_CORRUPTIONS), ("test", CORRUPTIONS)):
        yield _Condition(part, "clean", "clean", 0, lambda images_NHWC: images_NHWC)
        for name, corruption in corruptions.items():
            for severity in SEVERITIES:
                yield _Condition(part, name, corruption.kind, severity, partial(_corrupt, name, severity))
    for level, degrees in enumerate(ROTATIONS, start=1):
        yield _Condition("test", "rotation", "rotation", level, partial(rotated, degrees=degrees))


def _corrupt(name: str, severity: int, images_NHWC: Pixels) -> Pixels:
    return corrupted(name, severity, images_NHWC, SEED)


def _probabilities(graph: Path, temperature: float, threads: int) -> Predict:
    session = open_session(graph, threads=threads)
    return lambda images_NHWC: softmax(predict_logits_in(session, images_NHWC), temperature).astype(np.float32)


def _answer(predict: Sequence[Predict], part: LabelledImages, condition: _Condition) -> list[dict[str, str]]:
    """Answers of both versions as text."""
    images_NHWC = condition.change(part.images_NHWC)
    first_NK, second_NK = (each(images_NHWC) for each in predict)
    found = []
    for own_NK, other_NK in ((first_NK, second_NK), (second_NK, first_NK)):
        stored = {"right": pack_bits(own_NK.argmax(axis=1) == part.labels_N)}
        for name in INPUTS:
            stored[name] = b64encode(input_values(name, own_NK, other_NK).tobytes()).decode("ascii")
        found.append(stored)
    return found


def _unpacked(stored: Mapping[str, str], images: int) -> Answers:
    values: dict[Inputs, npt.NDArray[np.float64]] = {
        name: np.frombuffer(b64decode(stored[name])).reshape(images, -1) for name in INPUTS
    }
    return Answers(values, unpack_bits(stored["right"], images))
