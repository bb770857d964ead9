"""Holdout images on which two versions can be compared, for data sets that changed between their trainings.

Images are identified by content. The candidate's holdout is restricted to images of classes that both versions know,
that neither was trained on, and that the other version has predicted, in its own evaluation or when the candidate was
published. Labels are those of the candidate's data set, so that corrected labels apply to both. New classes are
reported separately.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from core.errors import DataError, shortened
from core.gate.holdout import Evidence
from core.gate.report import GateThresholds, NewClass, SharedHoldout
from core.repository.image_keys import CHAMPION_PREDICTIONS_NAME, ImageKeys
from core.repository.predictions import SplitPredictions

Rows = dict[int, npt.NDArray[np.float32]]
"""Probabilities float32 [K] of an image by its key."""


_CHANGE = {
    False: "the data set has changed",
    True: "the two have the same holdout images with another size, geometry or label, or other training images",
}


@dataclass(frozen=True)
class Pair:
    """Two versions with predictions of the same images; `shared` is None if the holdouts are equal."""

    candidate: Evidence
    other: Evidence
    shared: SharedHoldout | None


def pair(candidate: Evidence, other: Evidence, thresholds: GateThresholds) -> Pair:
    """Restrict both versions to the images on which they can be compared.

    If the holdout has the same images, and only their size, their geometry, labels or other images changed, all of it
    is compared, however small it is.

    Raises:
        DataError: the classes or data sets do not fit, a version has no record of its images, or fewer than
            `min_shared_images` of a holdout with other images remain.
    """
    if candidate.record.class_names == other.record.class_names and candidate.record.digest == other.record.digest:
        return Pair(candidate, other, None)
    new_keys, old_keys = _comparable_keys(candidate, other)
    names, known = candidate.manifest.class_names, frozenset(other.manifest.class_names)
    labels_N, keys_N = candidate.holdout.labels, new_keys.holdout
    rows = _predictions_of(other, old_keys, candidate)
    is_new_N = np.array([names[label] not in known for label in labels_N])
    trained_N = ~is_new_N & (np.isin(keys_N, old_keys.trained) | np.isin(keys_N, new_keys.trained))
    predicted_N = np.array([int(key) in rows for key in keys_N])
    chosen_N = ~is_new_N & ~trained_N & predicted_N
    unchanged = np.array_equal(new_keys.holdout, old_keys.holdout)
    shared = _describe(candidate, other, is_new_N, trained_N, chosen_N, unchanged=unchanged)
    if shared.images < thresholds.min_shared_images and not (unchanged and shared.images == shared.holdout):
        raise DataError(f"{shared.sentence}; at least {thresholds.min_shared_images} are needed: add images")
    columns = [names.index(name) for name in other.manifest.class_names]
    probabilities_NK = np.zeros((shared.images, len(names)), np.float32)
    probabilities_NK[:, columns] = np.stack([rows[int(key)] for key in keys_N[chosen_N]])
    index_N, labels_N = candidate.holdout.index[chosen_N], labels_N[chosen_N]
    new_NK = candidate.holdout.probabilities["fp32"][chosen_N]
    return Pair(
        replace(candidate, holdout=SplitPredictions(index_N, labels_N, {"fp32": new_NK})),
        replace(other, holdout=SplitPredictions(index_N, labels_N, {"fp32": probabilities_NK})),
        shared,
    )


def _comparable_keys(candidate: Evidence, other: Evidence) -> tuple[ImageKeys, ImageKeys]:
    new, old = candidate.record, other.record
    new_keys, old_keys = candidate.keys, other.keys
    grown = set(old.class_names) <= set(new.class_names) and new_keys is not None
    if new.class_names != old.class_names and not grown:
        raise DataError(f"their classes differ ({shortened(new.class_names)}; {shortened(old.class_names)})")
    if new.name == old.name and new_keys is not None and old_keys is not None:
        return new_keys, old_keys
    without = [side.manifest.reference for side in (candidate, other) if side.keys is None]
    reason = f"; {' and '.join(without)} has no record of single images" if without else ""
    raise DataError(
        f"they were evaluated on different holdouts, {candidate.manifest.reference} on {new.images:,} images of "
        f"{new.name} (digest {new.digest}), {other.manifest.reference} on {old.images:,} images of {old.name} "
        f"(digest {old.digest}){reason}"
    )


def _predictions_of(other: Evidence, keys: ImageKeys, candidate: Evidence) -> Rows:
    """Predictions of `other` by image key: those of its own holdout, and those stored with the candidate."""
    own = zip(keys.holdout, other.holdout.probabilities["fp32"], strict=True)
    rows: Rows = {int(key): row_K for key, row_K in own}
    stored = candidate.champions.get(other.manifest.reference)
    if stored is not None:
        classes = len(other.manifest.class_names)
        if stored.probabilities.shape[1] != classes:
            raise DataError(
                f"{CHAMPION_PREDICTIONS_NAME} of {candidate.manifest.reference} is damaged: it has probabilities of "
                f"{stored.probabilities.shape[1]:,} classes for {other.manifest.reference}, which has {classes:,}"
            )
        rows |= {int(key): row_K for key, row_K in zip(stored.keys, stored.probabilities, strict=True)}
    return rows


def _describe(
    candidate: Evidence,
    other: Evidence,
    is_new_N: npt.NDArray[np.bool_],
    trained_N: npt.NDArray[np.bool_],
    chosen_N: npt.NDArray[np.bool_],
    *,
    unchanged: bool,
) -> SharedHoldout:
    labels_N, right_N = candidate.holdout.labels, candidate.holdout.predicted() == candidate.holdout.labels
    new_classes = tuple(
        NewClass(
            label=candidate.manifest.class_names[label],
            images=int(np.count_nonzero(labels_N == label)),
            recall=float(right_N[labels_N == label].mean()),
        )
        for label in np.unique(labels_N[is_new_N])
    )
    images, holdout = int(np.count_nonzero(chosen_N)), len(labels_N)
    trained, new = int(np.count_nonzero(trained_N)), int(np.count_nonzero(is_new_N))
    unpredicted = holdout - images - trained - new
    left_out = [
        f"{count:,} {why}"
        for count, why in (
            (trained, "that one of the versions was trained on"),
            (unpredicted, f"without a prediction of {other.manifest.reference}"),
            (new, "of new classes"),
        )
        if count
    ]
    recalls = "".join(
        f"; of {each.images:,} images of the new class {each.label}, {candidate.manifest.reference} finds "
        f"{each.recall:.1%}"
        for each in new_classes
    )
    return SharedHoldout(
        images=images,
        holdout=holdout,
        trained_on=trained,
        not_predicted=unpredicted,
        new_classes=new_classes,
        sentence=(
            f"{_CHANGE[unchanged]}, and {images:,} of the {holdout:,} holdout images of "
            f"{candidate.manifest.reference} can be compared"
            + (f"; left out: {', '.join(left_out)}" if left_out else "")
            + recalls
        ),
    )
