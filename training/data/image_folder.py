"""Any labelled folder of images as a data set: decoded by what serves them, and divided by what is in them.

Which part an image belongs to follows from its own bytes. So the same files are divided the same way whatever they are
called, a file that is there twice cannot be in two parts, and when images are added to a folder, those that were
trained on are not held out later, nor the other way round: a version stays fit to be compared with its successor.
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

from core.cores import available_cores
from core.errors import DataError, ImageError
from core.files.home import duet_home
from core.images.decode import decode_image
from core.images.geometry import ModelInput
from core.images.labelled_folders import ImageFile, LabelledFolder, read_folder, shortfalls, shown
from core.recipes.init_from import DEFAULT_GEOMETRY
from core.repository.manifest import Geometry
from training.data.splits import SEED, Split
from training.data.types import ImageDataset, LabelledImages

DEFAULT_IMAGE_SIZE = 32
SHARES: tuple[tuple[str, float], ...] = (("test", 0.1), ("holdout", 0.1), ("validation", 0.1), ("train", 0.7))
"""Which share of every class goes to which part, to within chance; each class has an image in each of them."""
LICENSE = "images of the folder {name}, brought by whoever trained this version, under the terms that they have them by"
MAX_FILE_BYTES = 256 * 1024 * 1024

NOTE_SECONDS = 2.0
"""How often the reading of a large folder says how far it is."""
_LISTED = 20
"""How many of the files that are left out are named."""

Note = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class _Picture:
    """A decoded file.

    `file` is its path within the data set, for people to read; `key` is 32 bytes that follow from the file's content
    and are as good as random.
    """

    label: str
    file: str
    key: bytes
    pixels_HWC: npt.NDArray[np.uint8]


def load_folder(
    name: str,
    *,
    image_size: int | None = None,
    geometry: Geometry = DEFAULT_GEOMETRY,
    home: Path | None = None,
    note: Note = lambda _: None,
) -> tuple[ImageDataset, Split]:
    """Read the labelled folder called `name` and divide it: 70 % train, 10 % each validation, holdout and test.

    Classes are in the order of their names. Files that are no images, and images that are there twice, are left out.

    Args:
        name: of the data set, without `folder:`.
        image_size: side in pixels to which every image is resized; 32 by default.
        geometry: how images that are not square are fitted.
        home: by default that of the environment.
        note: is told how far the reading is, and what was left out and why.

    Raises:
        DataError: there is no such folder, or too little in it; the message says what is missing.
    """
    side = image_size or DEFAULT_IMAGE_SIZE
    folder = read_folder(home or duet_home(), name)
    _refuse(folder, folder.shortfalls(), folder.skipped)
    pictures, skipped = _distinct(*_decoded(folder, ModelInput(side, side, geometry), note))
    skipped = [*folder.skipped, *skipped]
    if skipped:
        note(_told(folder, len(pictures), skipped))
    counts = Counter(picture.label for picture in pictures)
    _refuse(folder, shortfalls({label: counts[label] for label in folder.files}), skipped)
    return _divided(folder, pictures, geometry)


def part_of(keys: Sequence[bytes]) -> list[str]:
    """The part of the data set that each image of one class belongs to.

    The key, read as a fraction, decides; where that leaves a part without an image, it gets the one with the lowest key
    from the part that has most. While images are added, keys that fall to a part are only ever more, so none that was
    trained on is taken for a part later (short of a handful of which all fell to the other parts).

    Args:
        keys: at least four, all different, 8 bytes or more each.
    """
    parts = [_drawn(key) for key in keys]
    ascending = sorted(range(len(keys)), key=lambda position: keys[position])
    for empty, _ in SHARES:
        if empty not in parts:
            largest = max((name for name, _ in reversed(SHARES)), key=parts.count)
            parts[next(position for position in ascending if parts[position] == largest)] = empty
    return parts


def _drawn(key: bytes) -> str:
    fraction, upper = int.from_bytes(key[:8], "big") / 2**64, 0.0
    for name, share in SHARES[:-1]:
        upper += share
        if fraction < upper:
            return name
    return SHARES[-1][0]


def _refuse(folder: LabelledFolder, problems: Sequence[str], skipped: Sequence[tuple[str, str]]) -> None:
    if problems:
        left_out = f"; left out: {_listed(skipped)}" if skipped else ""
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise DataError(
            f"{folder.data} in {folder.path} cannot be trained on: {'; '.join(problems[:5])}{more}{left_out}. Add "
            "images, or remove the class's folder"
        )


def _decoded(folder: LabelledFolder, fit: ModelInput, note: Note) -> tuple[list[_Picture], list[tuple[str, str]]]:
    """Every image of the folder, and every file that is none with the reason."""
    jobs = [(label, file) for label, files in folder.files.items() for file in files]
    pictures: list[_Picture] = []
    skipped: list[tuple[str, str]] = []
    last = time.monotonic()

    def decode(job: tuple[str, ImageFile]) -> _Picture | str:
        return _picture(*job, fit)

    # Pillow gives up the interpreter's lock while it decodes and resizes.
    with ThreadPoolExecutor(available_cores(), thread_name_prefix="decode") as threads:
        for number, (job, result) in enumerate(zip(jobs, threads.map(decode, jobs), strict=True), start=1):
            if isinstance(result, str):
                skipped.append((shown(f"{job[0]}/{job[1].path.name}"), result))
            else:
                pictures.append(result)
            if time.monotonic() - last >= NOTE_SECONDS:
                last = time.monotonic()
                note(f"{folder.data}: {number:,} of {len(jobs):,} files read")
    return pictures, skipped


def _picture(label: str, file: ImageFile, fit: ModelInput) -> _Picture | str:
    """The decoded file, or why there is none."""
    if file.bytes > MAX_FILE_BYTES:
        return f"larger than {MAX_FILE_BYTES:,} bytes"
    try:
        data = file.path.read_bytes()
        pixels_HWC = decode_image(data, height=fit.height, width=fit.width, geometry=fit.geometry).pixels_HWC
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except ImageError as error:
        return str(error)
    key = hashlib.sha256(SEED.to_bytes(8, "big") + hashlib.sha256(data).digest()).digest()
    return _Picture(label, shown(f"{label}/{file.path.name}"), key, pixels_HWC)


def _distinct(
    pictures: Sequence[_Picture], skipped: list[tuple[str, str]]
) -> tuple[list[_Picture], list[tuple[str, str]]]:
    """One of each content, in the order of the keys; none of a content that has two labels, which cannot both hold."""
    by_key: defaultdict[bytes, list[_Picture]] = defaultdict(list)
    for picture in pictures:
        by_key[picture.key].append(picture)
    kept = []
    for _, same in sorted(by_key.items()):
        first, *others = same
        if len({picture.label for picture in same}) > 1:
            named = " and ".join(picture.file for picture in same)
            skipped.extend((picture.file, f"one image with different classes: {named}") for picture in same)
            continue
        kept.append(first)
        skipped.extend((other.file, f"the same image as {first.file}") for other in others)
    return kept, skipped


def _divided(folder: LabelledFolder, pictures: Sequence[_Picture], geometry: Geometry) -> tuple[ImageDataset, Split]:
    class_names = tuple(folder.files)
    index_of = {label: index for index, label in enumerate(class_names)}
    labels_N = np.array([index_of[picture.label] for picture in pictures], dtype=np.int64)
    part_N = np.empty(len(pictures), dtype=object)
    for index in range(len(class_names)):
        positions = np.flatnonzero(labels_N == index).tolist()
        part_N[positions] = part_of([pictures[position].key for position in positions])
    images_NHWC = np.stack([picture.pixels_HWC for picture in pictures])
    is_test_N = part_N == "test"
    training, test = (
        LabelledImages(np.ascontiguousarray(images_NHWC[chosen_N]), labels_N[chosen_N])
        for chosen_N in (~is_test_N, is_test_N)
    )
    dataset = ImageDataset(folder.data, class_names, training, test, LICENSE.format(name=folder.name), geometry)
    of_training_N = part_N[~is_test_N]
    split = Split(
        **{name: np.flatnonzero(of_training_N == name).astype(np.int64) for name in ("train", "validation", "holdout")}
    )
    return dataset, split


def _told(folder: LabelledFolder, used: int, skipped: Sequence[tuple[str, str]]) -> str:
    return f"{folder.data}: {used:,} images used, {len(skipped):,} files left out: {_listed(skipped)}"


def _listed(skipped: Sequence[tuple[str, str]]) -> str:
    named = "; ".join(f"{file} ({reason})" for file, reason in skipped[:_LISTED])
    return named + (f"; and {len(skipped) - _LISTED:,} more" if len(skipped) > _LISTED else "")
