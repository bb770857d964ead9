"""Safe reader for the test images of a data set in CIFAR-10's Python (pickle) format.

Loading a pickle can run any code. This reader only lists the pickle's instructions and takes their numbers, strings and
bytes. It calls nothing and rejects everything that is not in the expected form.
"""

from __future__ import annotations

import math
import pickletools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.errors import DataError

FOLDER_NAME = "cifar-10-batches-py"
_TEST, _META = "test_batch", "batches.meta"
_MAX_BYTES = 64 * 1024 * 1024
_NUMBERS = frozenset({"BININT", "BININT1", "BININT2", "INT", "LONG1"})
_ENDS = frozenset({"APPENDS", "SETITEMS", "STOP"})
_ORDERS = {"NEWFALSE": False, "NEWTRUE": True}  # flag before the pixels: True for Fortran order
_CHANNELS = 3
_MIN_PIXELS = 100  # longer than the names in an array's description


@dataclass(frozen=True)
class LabelledImages:
    """Labelled images.

    Attributes:
        pixels_NHWC: uint8, RGB.
        labels_N: indices into `class_names`.
        class_names: of the data set.
    """

    pixels_NHWC: npt.NDArray[np.uint8]
    labels_N: Sequence[int]
    class_names: Sequence[str]


def find_python_batches(*places: Path | None) -> Path | None:
    """Find the first of `places` with test images, in it or in its `cifar-10-batches-py`; None if there is none.

    Raises:
        DataError: a folder cannot be read.
    """
    candidates = [folder for place in places if place is not None for folder in (place / FOLDER_NAME, place)]
    try:
        return next((each for each in candidates if (each / _TEST).is_file() and (each / _META).is_file()), None)
    except OSError as error:
        raise DataError(f"cannot read {error.filename} ({error.strerror}): check its permissions") from error


def read_test_images(folder: Path, *, every: int = 1) -> LabelledImages:
    """Read the test images of a folder; with `every`, only each `every`-th image.

    Raises:
        DataError: a file cannot be read, or is not of this format.
    """
    names = [name.decode("utf-8", "replace") for name in _names_after(folder / _META, "label_names")]
    labels_N = _numbers_after(folder / _TEST, "labels")
    data = _pixels_after(folder / _TEST, "data")
    side = math.isqrt(len(data) // (_CHANNELS * max(1, len(labels_N))))
    if not side or len(data) != len(labels_N) * _CHANNELS * side * side:
        raise DataError(f"{folder / _TEST} does not have square images and their labels: restore the original file")
    if not all(0 <= label < len(names) for label in labels_N):
        raise DataError(f"{folder / _TEST} has labels that {_META} does not name: restore the original files")
    planes_NCHW = np.frombuffer(data, np.uint8).reshape(-1, _CHANNELS, side, side)[::every]
    return LabelledImages(np.ascontiguousarray(planes_NCHW.transpose(0, 2, 3, 1)), labels_N[::every], names)


def _names_after(path: Path, key: str) -> list[bytes]:
    """The strings of the list after a key; empty without the key."""
    return [each for each in takewhile(lambda each: each is not None, _after(path, key)) if isinstance(each, bytes)]


def _numbers_after(path: Path, key: str) -> list[int]:
    """The numbers of the list after a key, up to the next string; a long list is pickled in several parts."""
    return [
        each for each in takewhile(lambda each: not isinstance(each, bytes), _after(path, key)) if isinstance(each, int)
    ]


def _pixels_after(path: Path, key: str) -> bytes:
    """The pixel bytes after a key; empty without the key."""
    return next((each for each in _after(path, key) if isinstance(each, bytes) and len(each) >= _MIN_PIXELS), b"")


def _after(path: Path, key: str) -> Iterator[int | bytes | None]:
    """The literals after a key; empty without the key."""
    literals = iter(_literals(path))
    return literals if key.encode() in literals else iter(())


def _literals(path: Path) -> Iterator[int | bytes | None]:
    """Numbers and strings in file order, None for the end of a list."""
    try:
        with path.open("rb") as stream:
            if path.stat().st_size > _MAX_BYTES:
                raise DataError(f"{path} is larger than {_MAX_BYTES} bytes: restore the original file")
            in_fortran_order = False
            for instruction, argument, _ in pickletools.genops(stream):
                in_fortran_order = _ORDERS.get(instruction.name, in_fortran_order)
                if in_fortran_order and isinstance(argument, str) and len(argument) >= _MIN_PIXELS:
                    raise DataError(f"{path} has its pixels in Fortran order: restore the original file")
                if isinstance(argument, bytes | bytearray):
                    yield bytes(argument)
                elif isinstance(argument, str) and instruction.name != "GLOBAL":
                    yield argument.encode("latin-1")
                elif isinstance(argument, int) and instruction.name in _NUMBERS:
                    yield argument
                elif instruction.name in _ENDS:
                    yield None
    except OSError as error:
        raise DataError(f"cannot read {path} ({error.strerror}): check its permissions") from error
    except (ValueError, UnicodeError) as error:
        raise DataError(f"{path} is damaged: restore the original file") from error
