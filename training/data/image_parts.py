"""Part of each image of a folder (train, validation, holdout or test): a rule for new images, a record of old ones.

The record is `.parts.npz` in the folder of the data set. Recorded images keep their parts. A holdout image stays in the
holdout. An image that versions may have been trained on never enters holdout or test, even if its class changes, or if
it is removed and added again.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from core.errors import DataError
from core.files.durable import atomic_replace
from core.files.regular import read_regular
from core.images.labelled_folders import LabelledFolder, changing

PARTS_NAME = ".parts.npz"
SHARES: tuple[tuple[str, float], ...] = (("test", 0.1), ("holdout", 0.1), ("validation", 0.1), ("train", 0.7))
"""Expected share of each part in every class. Every part has at least one image of each class."""
_NAMES = tuple(name for name, _ in SHARES)
_NONE: Mapping[int, str] = MappingProxyType({})


def assign_parts(
    folder: LabelledFolder, keys_N: npt.NDArray[np.uint64], labels_N: npt.NDArray[np.int64]
) -> npt.NDArray[np.object_]:
    """Name of the part of each image, [N]; the parts of new images are recorded if the folder is writable.

    Args:
        folder: the data set.
        keys_N: uint64 [N], distinct keys of its images.
        labels_N: int64 [N], indices of its classes.

    Raises:
        DataError: the record is damaged or cannot be written, or a part of a class has no image.
    """
    if not os.access(folder.path, os.W_OK):
        return _assign(folder, keys_N, labels_N, _read(folder))
    with changing(folder.path.parents[1]):
        known = _read(folder)
        part_N = _assign(folder, keys_N, labels_N, known)
        parts = known | dict(zip(keys_N.tolist(), part_N.tolist(), strict=True))
        if parts != known:
            _write(folder, parts)
    return part_N


def part_of(keys: Sequence[int], known: Mapping[int, str] = _NONE) -> list[str]:
    """Part of each image of one class.

    An image in `known` keeps its part. For other images, the key, divided by 2^64, selects the part by `SHARES`. An
    empty part gets a new image from the largest part that has one: the one with the lowest key. An empty validation
    part may also get a training image.

    Args:
        keys: distinct keys of 64 bits.
        known: parts of images that are already recorded, by key.

    Returns:
        Part of each image. A part has no image if no image may enter it.
    """
    parts = [known.get(key) or _part_of_key(key) for key in keys]
    ascending = sorted(range(len(keys)), key=keys.__getitem__)
    for empty in _NAMES:
        if empty in parts:
            continue
        may_move = [
            position
            for position in ascending
            if parts.count(parts[position]) > 1
            and (keys[position] not in known or (empty, parts[position]) == ("validation", "train"))
        ]
        if may_move:
            # SHARES ends with the largest part, which therefore wins ties.
            rank = {name: (parts.count(name), _NAMES.index(name)) for name in _NAMES}
            parts[max(may_move, key=lambda position: rank[parts[position]])] = empty
    return parts


def _assign(
    folder: LabelledFolder,
    keys_N: npt.NDArray[np.uint64],
    labels_N: npt.NDArray[np.int64],
    known: Mapping[int, str],
) -> npt.NDArray[np.object_]:
    part_N = np.empty(len(keys_N), dtype=object)
    missing = []
    for index, label in enumerate(folder.files):
        positions = np.flatnonzero(labels_N == index)
        parts = part_of(keys_N[positions].tolist(), known)
        part_N[positions] = parts
        missing += [f"class {label!r} has no {name} image" for name in _NAMES if name not in parts]
    if missing:
        raise DataError(
            f"{folder.data} cannot be trained on: {'; '.join(missing)} any more, and images that versions were trained "
            "on cannot take their place. Add an image to the class for each"
        )
    return part_N


def _part_of_key(key: int) -> str:
    fraction, upper = key / 2**64, 0.0
    for name, share in SHARES[:-1]:
        upper += share
        if fraction < upper:
            return name
    return SHARES[-1][0]


def _read(folder: LabelledFolder) -> dict[int, str]:
    path = folder.path / PARTS_NAME
    try:
        with np.load(io.BytesIO(read_regular(path)), allow_pickle=False) as arrays:
            keys_N, part_N = arrays["keys_N"], arrays["part_N"]
        return {key: _NAMES[part] for key, part in zip(keys_N.tolist(), part_N.tolist(), strict=True)}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
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
