"""Report on the images of a data set, for a look before training: statistics, duplicates and warnings.

All images are decoded at a small size. Near duplicates are found as in a training, see `core.images.near_groups`.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import ImageError
from core.images.class_labels import shown
from core.images.decode import decode_image
from core.images.folder_layouts import ImageFile
from core.images.labelled_folders import UNEQUAL_CLASSES, LabelledFolder, shortfalls
from core.images.near_groups import near_groups
from core.memory import require_memory
from core.schemas.dataset_reports import (
    MAX_LISTED,
    SAMPLES,
    ClassStatistics,
    DatasetReport,
    DatasetWarning,
    DuplicateGroup,
    LabelledFile,
    SideLengths,
)
from core.schemas.datasets import SkippedFile

SIDE = 32
"""Side in pixels at which images are compared; the center square is used."""
FEW_IMAGES = 20
"""Number of images of a class below which its figures are very uncertain."""
_BYTES_PER_IMAGE = 5 * SIDE * SIDE * 3
"""Memory for one image: decoded, in one array, and thumbnails as float32."""
_COMPARISON_BYTES = 250_000_000


@dataclass(frozen=True, eq=False)
class _Read:
    """A readable image; the key is 64 bits of the hash of its content, and the side is its shorter one in pixels."""

    label: str
    file: ImageFile
    key: int
    pixels_HWC: npt.NDArray[np.uint8]
    side: int


def make_report(
    folder: LabelledFolder, *, max_pixels: int, max_bytes: int, progress: Callable[[int], None]
) -> DatasetReport:
    """Read all images of a data set and describe them.

    Args:
        folder: the data set.
        max_pixels: limit of the pixels of an image, as for predictions.
        max_bytes: limit of the size of a file, as for predictions.
        progress: receives the number of files that have been read.

    Raises:
        LowMemoryError: the images do not fit into the memory.
    """
    require_memory(
        folder.images * _BYTES_PER_IMAGE + _COMPARISON_BYTES,
        what=f"a report on {folder.images:,} images",
        advice="wait until other work has finished, or use fewer images",
    )
    images: list[_Read] = []
    unreadable: list[SkippedFile] = []
    for number, (label, file) in enumerate(_labelled(folder), start=1):
        found = _read(label, file, max_pixels, max_bytes)
        if isinstance(found, str):
            unreadable.append(SkippedFile(file=shown(file.name), reason=found))
        else:
            images.append(found)
        progress(number)
    classes = _class_statistics(folder, images)
    groups = _duplicates(images)
    sides = sorted(image.side for image in images)
    return DatasetReport(
        digest=folder.digest,
        images=len(images),
        classes=classes,
        sides=SideLengths(smallest=sides[0], median=sides[len(sides) // 2], largest=sides[-1]) if sides else None,
        unreadable=len(unreadable),
        unreadable_files=tuple(unreadable[:MAX_LISTED]),
        duplicate_groups=len(groups),
        duplicates=tuple(groups[:MAX_LISTED]),
        warnings=tuple(_warnings(classes, sides, len(unreadable), groups)),
    )


def _labelled(folder: LabelledFolder) -> Iterable[tuple[str, ImageFile]]:
    return ((label, file) for label, files in folder.files.items() for file in files)


def _read(label: str, file: ImageFile, max_pixels: int, max_bytes: int) -> _Read | str:
    """The image, or the reason why it cannot be used."""
    if file.bytes > max_bytes:
        return f"larger than {max_bytes:,} bytes"
    try:
        content = file.path.read_bytes()
        decoded = decode_image(content, height=SIDE, width=SIDE, geometry="crop", max_pixels=max_pixels)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except ImageError as error:
        return str(error)
    key = int.from_bytes(hashlib.sha256(content).digest()[:8], "big")
    return _Read(label, file, key, decoded.pixels_HWC, min(decoded.original_size))


def _class_statistics(folder: LabelledFolder, images: Sequence[_Read]) -> tuple[ClassStatistics, ...]:
    by_label: defaultdict[str, list[_Read]] = defaultdict(list)
    for image in images:
        by_label[image.label].append(image)
    return tuple(_statistics(label, by_label[label]) for label in folder.files)


def _statistics(label: str, images: Sequence[_Read]) -> ClassStatistics:
    chosen = np.linspace(0, len(images) - 1, min(SAMPLES, len(images))).round().astype(int).tolist()
    return ClassStatistics(
        label=label,
        images=len(images),
        brightness=float(np.median([image.pixels_HWC.mean() / 255 for image in images])) if images else None,
        contrast=float(np.median([image.pixels_HWC.std() / 255 for image in images])) if images else None,
        samples=tuple(images[position].file.name for position in chosen),
    )


def _duplicates(images: Sequence[_Read]) -> list[DuplicateGroup]:
    """Groups of equal and of nearly equal images; those with different classes come first."""
    by_key: defaultdict[int, list[_Read]] = defaultdict(list)
    for image in images:
        by_key[image.key].append(image)
    keys = sorted(by_key)
    if len(keys) < 2:
        near = [[key] for key in keys]
    else:
        different_NHWC = np.stack([by_key[key][0].pixels_HWC for key in keys])
        group_N = near_groups(different_NHWC, np.array(keys, dtype=np.uint64))
        members: defaultdict[int, list[int]] = defaultdict(list)
        for key, group in zip(keys, group_N.tolist(), strict=True):
            members[group].append(key)
        near = list(members.values())
    groups = [_group([image for key in group for image in by_key[key]], exact=len(group) == 1) for group in near]
    return sorted(
        (group for group in groups if len(group.files) > 1),
        key=lambda group: (not group.labels_differ, group.files[0].label, group.files[0].file),
    )


def _group(images: Sequence[_Read], *, exact: bool) -> DuplicateGroup:
    ordered = sorted(images, key=lambda image: (image.label, image.file.name))
    return DuplicateGroup(
        exact=exact,
        labels_differ=len({image.label for image in images}) > 1,
        files=tuple(LabelledFile(file=image.file.name, label=image.label) for image in ordered[:MAX_LISTED]),
    )


def _warnings(
    classes: Sequence[ClassStatistics], sides: Sequence[int], unreadable: int, groups: Sequence[DuplicateGroup]
) -> Iterable[DatasetWarning]:
    counts = {one.label: one.images for one in classes}
    for problem in shortfalls(counts)[:10]:
        yield DatasetWarning(kind="too_few", text=f"Training is not possible: {problem}.")
    few = [label for label, count in counts.items() if 0 < count < FEW_IMAGES]
    if few:
        yield DatasetWarning(
            kind="few_images",
            text=f"{_counted(len(few), 'class has', 'classes have')} fewer than {FEW_IMAGES} images "
            f"({_listed(few)}): the accuracy will be uncertain. Add images.",
        )
    filled = {label: count for label, count in counts.items() if count}
    if filled and max(filled.values()) > UNEQUAL_CLASSES * min(filled.values()):
        smallest, largest = min(filled, key=filled.__getitem__), max(filled, key=filled.__getitem__)
        yield DatasetWarning(
            kind="unequal_classes",
            text=f"Classes have very different sizes: {largest} has {filled[largest]:,} images, {smallest} has "
            f"{filled[smallest]:,}. A training draws every class equally often.",
        )
    if unreadable:
        yield DatasetWarning(
            kind="unreadable", text=f"{_counted(unreadable, 'file', 'files')} cannot be read and will not be used."
        )
    yield from _duplicate_warnings(groups)
    small = sum(side < SIDE for side in sides)
    if small:
        yield DatasetWarning(
            kind="small_images",
            text=f"{_counted(small, 'image is', 'images are')} smaller than {SIDE} pixels and will be enlarged.",
        )


def _duplicate_warnings(groups: Sequence[DuplicateGroup]) -> Iterable[DatasetWarning]:
    contradictory = sum(group.exact and group.labels_differ for group in groups)
    if contradictory:
        yield DatasetWarning(
            kind="contradictory_labels",
            text=f"{_counted(contradictory, 'image is', 'images are')} in several classes. Such images are not used: "
            "remove the wrong copies.",
        )
    copies = sum(group.exact and not group.labels_differ for group in groups)
    if copies:
        yield DatasetWarning(
            kind="exact_copies",
            text=f"{_counted(copies, 'image exists', 'images exist')} more than once. Each is used once.",
        )
    across = sum(not group.exact and group.labels_differ for group in groups)
    if across:
        yield DatasetWarning(
            kind="near_duplicates_across_classes",
            text=f"{_counted(across, 'group', 'groups')} of near duplicates with different classes: check the labels.",
        )
    near = sum(not group.exact and not group.labels_differ for group in groups)
    if near:
        yield DatasetWarning(
            kind="near_duplicates",
            text=f"{_counted(near, 'group', 'groups')} of near duplicates. A training keeps each group in one part, so "
            "that no copy of a test image is trained on.",
        )


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(labels[:5]) + (f" and {len(labels) - 5:,} more" if len(labels) > 5 else "")
