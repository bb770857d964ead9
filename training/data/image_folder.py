"""Image folder data set, split by its own parts or by a hash of the file contents.

Without parts in the folder, the part of an image (train, validation, holdout or test) depends on its bytes and on its
near duplicates, which enter one part. File names do not matter, and duplicate files cannot be in two parts. Once
loaded, an image keeps its part even if images are added, removed or relabelled; see `image_parts`. A new version can
therefore be compared with an older one on images that neither was trained on. Images are decoded with the code of the
service.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.cpu import available_cores
from core.errors import DataError, ImageError
from core.files.home import duet_home
from core.images.class_labels import shown
from core.images.decode import decode_image
from core.images.folder_layouts import ImageFile, Part
from core.images.geometry import ModelInput
from core.images.labelled_folders import LabelledFolder, read_folder, shortfalls
from core.images.limits import MAX_FILE_BYTES, configured_max_pixels
from core.images.near_groups import near_groups
from core.memory import require_memory
from core.recipes.init_from import DEFAULT_GEOMETRY
from core.repository.manifest import Geometry
from training.data.image_parts import PartInputs, assign_parts
from training.data.splits import SEED, Split
from training.data.types import ImageDataset, LabelledImages

DEFAULT_IMAGE_SIZE = 32
LICENSE = (
    "images of the folder {name}, provided by the person who trained this version, under the terms of their source"
)

NOTE_SECONDS = 2.0
"""Interval of progress messages."""
_LISTED = 20
"""Maximum number of skipped files that are listed by name."""
_COPIES = 3
"""Copies of all images in memory while they are split: as decoded, in one array, and by part."""

_KEPT_FIRST: tuple[Part, ...] = ("test", "holdout", "validation", "train")
"""Parts in the order in which they keep an image that several of them have."""

Note = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class _DecodedImage:
    """A decoded file: class name, path within the data set, 64 bits of the hash of its content, uint8 [H, W, 3].

    `part` is the part that the folder gives, or None.
    """

    label: str
    file: str
    key: int
    pixels_HWC: npt.NDArray[np.uint8]
    part: Part | None


def load_folder(
    name: str,
    *,
    image_size: int | None = None,
    geometry: Geometry = DEFAULT_GEOMETRY,
    home: Path | None = None,
    note: Note = lambda _: None,
) -> tuple[ImageDataset, Split]:
    """Load an image folder and split it: 70 % train, 10 % each validation, holdout and test.

    Parts that the folder gives are used; 10 % of its training images each replace the parts that it lacks. The parts
    are stored in the folder if it is writable.

    Classes are sorted by name. Invalid files and duplicate images are skipped and listed in a `note`.

    Images of more than DUET_MAX_PIXELS pixels are skipped, as the service refuses them.

    Args:
        name: name of the data set, without `folder:`.
        image_size: side in pixels that every image is resized to; 32 by default.
        geometry: method that fits images to a square.
        home: DUET_HOME; by default that of the environment.
        note: receives messages.

    Raises:
        DataError: the folder does not exist, or has too few classes or images; or all images of a part of a class were
            removed.
        ConfigurationError: DUET_MAX_PIXELS is not a number.
        LowMemoryError: the images of this size do not fit into the memory.
    """
    side = image_size or DEFAULT_IMAGE_SIZE
    folder = read_folder(home or duet_home(), name)
    _require_no_problems(folder, folder.shortfalls(), folder.skipped)
    require_memory(
        _COPIES * folder.images * side * side * 3,
        what=f"reading {folder.images:,} images of {side}x{side} pixels",
        advice="choose a smaller image_size, or use fewer images",
    )
    images, skipped = _deduplicate(*_decode(folder, ModelInput(side, side, geometry), note))
    skipped = [*folder.skipped, *skipped]
    if skipped:
        note(f"{folder.data}: {len(images):,} images used, {len(skipped):,} files left out: {_listed(skipped)}")
    counts = Counter(image.label for image in images)
    _require_no_problems(folder, shortfalls({label: counts[label] for label in folder.files}), skipped)
    return _split(folder, images, geometry, note)


def _require_no_problems(folder: LabelledFolder, problems: Sequence[str], skipped: Sequence[tuple[str, str]]) -> None:
    if problems:
        left_out = f"; left out: {_listed(skipped)}" if skipped else ""
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise DataError(
            f"{folder.data} in {folder.path} cannot be trained on: {'; '.join(problems[:5])}{more}{left_out}. Add "
            "images, or remove the folder of the class"
        )


def _decode(folder: LabelledFolder, fit: ModelInput, note: Note) -> tuple[list[_DecodedImage], list[tuple[str, str]]]:
    max_pixels = configured_max_pixels()
    jobs = [(label, file) for label, files in folder.files.items() for file in files]
    images: list[_DecodedImage] = []
    skipped: list[tuple[str, str]] = []
    last = time.monotonic()

    def decode(job: tuple[str, ImageFile]) -> _DecodedImage | str:
        return _decode_file(*job, fit, max_pixels)

    # Pillow releases the GIL while it decodes and resizes.
    with ThreadPoolExecutor(available_cores(), thread_name_prefix="decode") as threads:
        for number, (job, result) in enumerate(zip(jobs, threads.map(decode, jobs), strict=True), start=1):
            if isinstance(result, str):
                skipped.append((shown(job[1].name), result))
            else:
                images.append(result)
            if time.monotonic() - last >= NOTE_SECONDS:
                last = time.monotonic()
                note(f"{folder.data}: {number:,} of {len(jobs):,} files read")
    return images, skipped


def _decode_file(label: str, file: ImageFile, fit: ModelInput, max_pixels: int) -> _DecodedImage | str:
    """Decode a file; returns the reason as text if it cannot be decoded."""
    if file.bytes > MAX_FILE_BYTES:
        return f"larger than {MAX_FILE_BYTES:,} bytes"
    try:
        data = file.path.read_bytes()
        pixels_HWC = decode_image(
            data, height=fit.height, width=fit.width, geometry=fit.geometry, max_pixels=max_pixels
        ).pixels_HWC
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except ImageError as error:
        return str(error)
    digest = hashlib.sha256(SEED.to_bytes(8, "big") + hashlib.sha256(data).digest()).digest()
    key = int.from_bytes(digest[:8], "big")
    return _DecodedImage(label, shown(file.name), key, pixels_HWC, file.part)


def _deduplicate(
    images: Sequence[_DecodedImage], skipped: list[tuple[str, str]]
) -> tuple[list[_DecodedImage], list[tuple[str, str]]]:
    """Remove duplicates and sort by key. Images that appear with different labels are skipped entirely."""
    by_key: defaultdict[int, list[_DecodedImage]] = defaultdict(list)
    for image in images:
        by_key[image.key].append(image)
    kept = []
    for _, same in sorted(by_key.items()):
        first, *others = sorted(same, key=lambda image: _rank(image.part))
        if len({image.label for image in same}) > 1:
            named = " and ".join(image.file for image in same)
            skipped.extend((image.file, f"the same image has different classes: {named}") for image in same)
            continue
        kept.append(first)
        skipped.extend((other.file, f"the same image as {first.file}") for other in others)
    return kept, skipped


def _split(
    folder: LabelledFolder, images: Sequence[_DecodedImage], geometry: Geometry, note: Note
) -> tuple[ImageDataset, Split]:
    class_names = tuple(folder.files)
    index_of = {label: index for index, label in enumerate(class_names)}
    groups_N = near_groups(np.stack([image.pixels_HWC for image in images]), _keys(images))
    images, groups_N = _without_copies(folder, images, groups_N, note)
    labels_N = np.array([index_of[image.label] for image in images], dtype=np.int64)
    keys_N = _keys(images)
    given = {image.key: image.part for image in images if image.part is not None}
    part_N = assign_parts(folder, PartInputs(keys_N, labels_N, groups_N, given))
    _note_parts(folder, groups_N, part_N, [image.part for image in images], note)
    _note_unmeasured(folder, {image.label for image, part in zip(images, part_N, strict=True) if part == "test"}, note)
    images_NHWC = np.stack([image.pixels_HWC for image in images])
    is_test_N = part_N == "test"
    training, test = (
        LabelledImages(np.ascontiguousarray(images_NHWC[chosen_N]), labels_N[chosen_N], keys_N[chosen_N])
        for chosen_N in (~is_test_N, is_test_N)
    )
    dataset = ImageDataset(
        folder.data, class_names, training, test, LICENSE.format(name=folder.name), geometry, folder.digest
    )
    of_training_N = part_N[~is_test_N]
    split = Split(
        **{name: np.flatnonzero(of_training_N == name).astype(np.int64) for name in ("train", "validation", "holdout")}
    )
    return dataset, split


def _keys(images: Sequence[_DecodedImage]) -> npt.NDArray[np.uint64]:
    return np.array([image.key for image in images], dtype=np.uint64)


def _without_copies(
    folder: LabelledFolder, images: Sequence[_DecodedImage], groups_N: npt.NDArray[np.int64], note: Note
) -> tuple[list[_DecodedImage], npt.NDArray[np.int64]]:
    """Leave out images that nearly equal one of a part that comes before theirs in `_KEPT_FIRST`, both as given."""
    best: dict[int, _DecodedImage] = {}
    for image, group in zip(images, groups_N.tolist(), strict=True):
        best[group] = min(best.get(group, image), image, key=lambda one: _rank(one.part))
    copies = {
        position: best[group]
        for position, (image, group) in enumerate(zip(images, groups_N.tolist(), strict=True))
        if image.part is not None and image.part != best[group].part
    }
    if copies:
        named = [(images[position].file, f"nearly the same image as {kept.file}") for position, kept in copies.items()]
        note(f"{folder.data}: {len(copies):,} near duplicates across parts left out: {_listed(named)}")
    kept = [position for position in range(len(images)) if position not in copies]
    return [images[position] for position in kept], groups_N[kept]


def _rank(part: Part | None) -> int:
    return len(_KEPT_FIRST) if part is None else _KEPT_FIRST.index(part)


def _note_parts(
    folder: LabelledFolder,
    groups_N: npt.NDArray[np.int64],
    part_N: npt.NDArray[np.object_],
    given: Sequence[Part | None],
    note: Note,
) -> None:
    """Count near duplicates, and images that are in another part than the folder gives."""
    parts_of: defaultdict[int, list[str]] = defaultdict(list)
    for group, part in zip(groups_N.tolist(), part_N.tolist(), strict=True):
        parts_of[group].append(part)
    several = [parts for parts in parts_of.values() if len(parts) > 1]
    if several:
        across = sum(len(set(parts)) > 1 for parts in several)
        left = f"; {across:,} could not be kept together" if across else ""
        note(
            f"{folder.data}: {sum(map(len, several)):,} images are near duplicates, in {len(several):,} groups. Each "
            f"group is in one part{left}"
        )
    moved = sum(part not in (None, "train", found) for part, found in zip(given, part_N.tolist(), strict=True))
    if moved:
        note(
            f"{folder.data}: {moved:,} images stay in the part of an earlier training, which differs from that of the "
            "folder"
        )


def _note_unmeasured(folder: LabelledFolder, tested: set[str], note: Note) -> None:
    """Name the classes without a test image."""
    missing = [label for label in folder.files if label not in tested]
    if missing:
        more = f" and {len(missing) - _LISTED:,} more" if len(missing) > _LISTED else ""
        note(
            f"{folder.data}: {len(missing):,} of {len(folder.files):,} classes have too few images for a test image: "
            f"their recall is not measured ({', '.join(missing[:_LISTED])}{more})"
        )


def _listed(skipped: Sequence[tuple[str, str]]) -> str:
    named = "; ".join(f"{file} ({reason})" for file, reason in skipped[:_LISTED])
    return named + (f"; and {len(skipped) - _LISTED:,} more" if len(skipped) > _LISTED else "")
