"""The test images of a data set in the format of CIFAR-10's Python version, read without unpickling.

A pickle is a program, and to load it is to run it. Here its instructions are only listed: the numbers, strings and
bytes among them are all that is taken, nothing is called or built, and whatever is not of the expected form is refused.
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
_ORDERS = {"NEWFALSE": False, "NEWTRUE": True}  # whether pixels are in Fortran's order, said right before them
_CHANNELS = 3
_MIN_PIXELS = 100  # longer than the names that an array's description holds


@dataclass(frozen=True)
class LabelledPictures:
    """Pictures and what they show.

    Attributes:
        pixels_NHWC: uint8, RGB.
        labels_N: positions in `class_names`.
        class_names: of the data set.
    """

    pixels_NHWC: npt.NDArray[np.uint8]
    labels_N: Sequence[int]
    class_names: Sequence[str]


def find_python_batches(*places: Path | None) -> Path | None:
    """The first folder, of these or right within them, that holds test images; None where none does.

    Raises:
        DataError: one of them may not be looked into.
    """
    candidates = [folder for place in places if place is not None for folder in (place / FOLDER_NAME, place)]
    try:
        return next((each for each in candidates if (each / _TEST).is_file() and (each / _META).is_file()), None)
    except OSError as error:
        raise DataError(f"{error.filename} cannot be looked for ({error.strerror})") from error


def read_test_pictures(folder: Path, *, every: int = 1) -> LabelledPictures:
    """The test images of a folder, or every so manieth of them.

    Raises:
        DataError: a file cannot be read, or is not of this format.
    """
    names = [name.decode("utf-8", "replace") for name in _names_after(folder / _META, "label_names")]
    labels_N = _numbers_after(folder / _TEST, "labels")
    data = _pixels_after(folder / _TEST, "data")
    side = math.isqrt(len(data) // (_CHANNELS * max(1, len(labels_N))))
    if not side or len(data) != len(labels_N) * _CHANNELS * side * side:
        raise DataError(f"{folder / _TEST} does not hold square pictures and their labels; put the original file there")
    if not all(0 <= label < len(names) for label in labels_N):
        raise DataError(f"{folder / _TEST} has labels that {_META} does not name; put the original files there")
    planes_NCHW = np.frombuffer(data, np.uint8).reshape(-1, _CHANNELS, side, side)[::every]
    return LabelledPictures(np.ascontiguousarray(planes_NCHW.transpose(0, 2, 3, 1)), labels_N[::every], names)


def _names_after(path: Path, key: str) -> list[bytes]:
    """The texts of the list after a key; empty where there is none."""
    return [each for each in takewhile(lambda each: each is not None, _after(path, key)) if isinstance(each, bytes)]


def _numbers_after(path: Path, key: str) -> list[int]:
    """The numbers of the list after a key, which long ones end several times; up to the next text."""
    return [
        each for each in takewhile(lambda each: not isinstance(each, bytes), _after(path, key)) if isinstance(each, int)
    ]


def _pixels_after(path: Path, key: str) -> bytes:
    """The long bytes after a key; empty where there are none."""
    return next((each for each in _after(path, key) if isinstance(each, bytes) and len(each) >= _MIN_PIXELS), b"")


def _after(path: Path, key: str) -> Iterator[int | bytes | None]:
    """What comes after a key; nothing where there is none."""
    literals = iter(_literals(path))
    return literals if key.encode() in literals else iter(())


def _literals(path: Path) -> Iterator[int | bytes | None]:
    """Numbers and texts in the order in which they stand in the file, None for the end of a list."""
    try:
        with path.open("rb") as stream:
            if path.stat().st_size > _MAX_BYTES:
                raise DataError(f"{path} is larger than such a file can be; put the original file there")
            in_fortran_order = False
            for instruction, argument, _ in pickletools.genops(stream):
                in_fortran_order = _ORDERS.get(instruction.name, in_fortran_order)
                if in_fortran_order and isinstance(argument, str) and len(argument) >= _MIN_PIXELS:
                    raise DataError(f"{path} holds its pixels in another order; put the original file there")
                if isinstance(argument, bytes | bytearray):
                    yield bytes(argument)
                elif isinstance(argument, str) and instruction.name != "GLOBAL":
                    yield argument.encode("latin-1")
                elif isinstance(argument, int) and instruction.name in _NUMBERS:
                    yield argument
                elif instruction.name in _ENDS:
                    yield None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, UnicodeError) as error:
        raise DataError(f"{path} is damaged; put the original file there") from error
