"""Hostile zip archives for uploads of training images, made by code."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from typing import NamedTuple

from PIL import Image

from service.errors import ProblemError, TooMuchWorkError, UnreadableArchiveError, UnsafeArchiveError


class HostileArchive(NamedTuple):
    """An archive, with the error that its upload must raise and part of its message."""

    name: str
    build: Callable[[], bytes]
    error: type[ProblemError]
    message: str


def zipped(files: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of files by name."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return stream.getvalue()


def flat_webp(width: int, height: int) -> bytes:
    """A WebP of one color: about 130 bytes for any number of pixels."""
    stream = io.BytesIO()
    Image.new("RGB", (width, height)).save(stream, "WEBP", lossless=True, method=0)
    return stream.getvalue()


def flat_webps(count: int) -> bytes:
    """Images of 9 megapixels, which take seconds to decode, in a zip of a few kB."""
    return zipped({f"flat/{number}.webp": flat_webp(3_000 + number, 3_000) for number in range(count)})


ARCHIVES = [
    HostileArchive("200_flat_webps", lambda: flat_webps(200), TooMuchWorkError, "megapixels together"),
    HostileArchive("no_name", lambda: zipped({"\0": b"x"}), UnreadableArchiveError, "no name"),
    HostileArchive("parent_folder", lambda: zipped({"../../a/1.png": b"x"}), UnsafeArchiveError, "leads out"),
    HostileArchive("bomb", lambda: zipped({f"a/{n}": bytes(2**24) for n in range(5)}), UnsafeArchiveError, "100 times"),
]
