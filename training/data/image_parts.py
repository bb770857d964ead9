"""Part of each image of a folder (train, validation, holdout or test): a rule for new images, a record of old ones.

The record is `.parts.npz` in the folder of the data set. Recorded images keep their parts. A holdout image stays in the
holdout. An image that versions may have been trained on never enters holdout or test, even if its class changes, or if
it is removed and added again. Parts that the folder gives, and near duplicates, affect new images only.
"""

from __future__ import annotations

import io
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from core.errors import DataError
from core.files.durable import atomic_replace
from core.files.npz import NPZ_ERRORS
from core.files.regular import read_regular
from core.images.labelled_folders import LabelledFolder, changing

PARTS_NAME = ".parts.npz"
SHARES: tuple[tuple[str, float], ...] = (("test", 0.1), ("holdout", 0.1), ("validation", 0.1), ("train", 0.7))
"""Expected share of each part in every class. Every part has at least one image of each class of four or more."""
_NAMES = tuple(name for name, _ in SHARES)
_REQUIRED = ("holdout", "train")
"""Parts of a class of two images: it must be trained, and the gate must see whether it is recognized."""
_NONE: Mapping[int, str] = MappingProxyType({})
_NO_GROUPS: Mapping[int, int] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class PartInputs:
    """Properties of the images of a folder that decide their parts.

    Attributes:
        keys_N: uint64 [N], distinct keys of the images.
        labels_N: int64 [N], indices of the classes.
        groups_N: int64 [N], equal for near duplicates, which enter one part.
        given: part that the folder gives, by key; empty if it has no parts.
    """

    keys_N: npt.NDArray[np.uint64]
    labels_N: npt.NDArray[np.int64]
    groups_N: npt.NDArray[np.int64]
    given: Mapping[int, str]


def assign_parts(folder: LabelledFolder, images: PartInputs) -> npt.NDArray[np.object_]:
    """Name of the part of each image, [N]; the parts of new images are recorded if the folder is writable.

    An image in the record keeps its part. Others enter the part that the folder gives; `train` of a folder that lacks a
    part provides its images. The remaining ones enter the part of their near duplicates, or one by their key.

    Raises:
        DataError: the record is damaged or cannot be written, or a part of a class has no image.
    """
    if not os.access(folder.path, os.W_OK):
        return _assign(folder, images, _read(folder))
    with changing(folder.path.parents[1]):
        known = _read(folder)
        part_N = _assign(folder, images, known)
        parts = known | dict(zip(images.keys_N.tolist(), part_N.tolist(), strict=True))
        if parts != known:
            _write(folder, parts)
    return part_N


def part_of(
    keys: Sequence[int],
    known: Mapping[int, str] = _NONE,
    *,
    drawn_by: Mapping[int, int] = _NO_GROUPS,
    parts: Sequence[str] = _NAMES,
    third: str = "test",
) -> list[str]:
    """Part of each image of one class.

    An image in `known` keeps its part. For other images, the key, divided by 2^64, selects the part by `SHARES`. An
    empty part gets a new image from the largest part that has one: the one with the lowest key. An empty validation
    part may also get a training image. Images with near duplicates are moved last. In a class of fewer than four
    images, the test and the validation part may stay empty.

    Args:
        keys: distinct keys of 64 bits.
        known: parts of images that are already recorded, by key.
        drawn_by: key that selects the part, the same for near duplicates; by default the image's own.
        parts: parts that a key may select; `train` gets the shares of the others.
        third: part of the third image in a class of three, `test` or `validation`.

    Returns:
        Part of each image. A part has no image if no image may enter it.
    """
    found = [known.get(key) or _part_of_key(drawn_by.get(key, key), parts) for key in keys]
    counts = Counter(found)
    wanted = _NAMES if len(keys) >= len(_NAMES) else _REQUIRED if len(keys) < 3 else (third, *_REQUIRED)
    ascending = sorted(range(len(keys)), key=lambda position: (keys[position] in drawn_by, keys[position]))
    for empty in wanted:
        if counts[empty]:
            continue
        may_move = [
            position
            for position in ascending
            if (counts[found[position]] > 1 or found[position] not in wanted)
            and (keys[position] not in known or (empty, found[position]) == ("validation", "train"))
        ]
        if may_move:
            # SHARES ends with the largest part, which therefore wins ties.
            chosen = max(may_move, key=lambda position: (counts[found[position]], _NAMES.index(found[position])))
            counts.subtract([found[chosen]])
            counts[empty] += 1
            found[chosen] = empty
    return found


def _assign(folder: LabelledFolder, images: PartInputs, known: Mapping[int, str]) -> npt.NDArray[np.object_]:
    given = set(images.given.values())
    lacking = [name for name in _NAMES if name not in given] if given else list(_NAMES)
    # Images of a folder `train` are free to fill the parts that the data set lacks.
    fixed = {key: part for key, part in images.given.items() if part != "train" or not lacking} | dict(known)
    keys, groups = images.keys_N.tolist(), images.groups_N.tolist()
    members: dict[int, list[int]] = defaultdict(list)
    for key, group in zip(keys, groups, strict=True):
        members[group].append(key)
    drawn_by: dict[int, int] = {}
    for group in members.values():
        if len(group) == 1:
            continue
        drawn_by |= dict.fromkeys(group, min(group))
        followed = [part for part in reversed(_NAMES) if part in {fixed.get(key) for key in group}]
        if followed:
            fixed |= {key: followed[0] for key in group if key not in fixed}
    part_N = np.empty(len(keys), dtype=object)
    with_validation = _classes_with_validation(images)
    missing = []
    for index, label in enumerate(folder.files):
        positions = np.flatnonzero(images.labels_N == index)
        third = "validation" if index in with_validation else "test"
        parts = part_of(images.keys_N[positions].tolist(), fixed, drawn_by=drawn_by, parts=lacking, third=third)
        part_N[positions] = parts
        missing += [f"class {label!r} has no {name} image" for name in _REQUIRED if name not in parts]
    present = set(part_N.tolist())
    missing += [f"no class has a {name} image" for name in _NAMES if name not in present and name not in _REQUIRED]
    if missing:
        problem = f"{folder.data} cannot be trained on: {'; '.join(missing)}"
        if given:
            raise DataError(f"{problem}. Add images of the class to the training images")
        raise DataError(
            f"{problem} any more, and images that versions were trained on cannot take their place. Add an image to "
            "the class for each"
        )
    return part_N


def _classes_with_validation(images: PartInputs) -> frozenset[int]:
    """Every second class of three images if no class has more, so that both test and validation have images."""
    counts_K = np.bincount(images.labels_N)
    if counts_K.max() > 3:
        return frozenset()
    first_key = {
        label: int(images.keys_N[images.labels_N == label].min()) for label in np.flatnonzero(counts_K == 3).tolist()
    }
    return frozenset(sorted(first_key, key=first_key.__getitem__)[1::2])


def _part_of_key(key: int, parts: Sequence[str]) -> str:
    fraction, upper = key / 2**64, 0.0
    for name, share in SHARES[:-1]:
        upper += share
        if fraction < upper:
            return name if name in parts else "train"
    return SHARES[-1][0]


def _read(folder: LabelledFolder) -> dict[int, str]:
    path = folder.path / PARTS_NAME
    try:
        with np.load(io.BytesIO(read_regular(path)), allow_pickle=False) as arrays:
            keys_N, part_N = arrays["keys_N"], arrays["part_N"]
        return {key: _NAMES[part] for key, part in zip(keys_N.tolist(), part_N.tolist(), strict=True)}
    except FileNotFoundError:
        return {}
    except NPZ_ERRORS as error:
        raise DataError(
            f"{path} cannot be read ({error}): restore it from a backup. Without the file, images that versions were "
            "trained on may enter the holdout"
        ) from error


def _write(folder: LabelledFolder, parts: Mapping[int, str]) -> None:
    path = folder.path / PARTS_NAME
    content = io.BytesIO()
    keys_N = np.array(sorted(parts), dtype=np.uint64)
    part_N = np.array([_NAMES.index(parts[key]) for key in keys_N.tolist()], dtype=np.uint8)
    np.savez_compressed(content, allow_pickle=False, keys_N=keys_N, part_N=part_N)
    try:
        atomic_replace(path, content.getbuffer())
    except OSError as error:
        raise DataError(
            f"cannot write {path} ({error.strerror}): make the folder writable or free disk space"
        ) from error
