"""Errors about labelled folders of images and what is sent to them."""

# ruff: noqa: D102 - `example` is documented once, in the base class
from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from service.errors.base import ProblemError


class NoSuchDatasetError(ProblemError):
    """No data set of this name; the answer lists those that exist."""

    status, slug, title = 404, "unknown-dataset", "There is no such data set"

    def __init__(self, name: str, available: Sequence[str]) -> None:
        there_are = f"there are {', '.join(available)}" if available else "there is none yet"
        super().__init__(f"no data set {name!r}: {there_are}", available=list(available))

    @classmethod
    def example(cls) -> Self:
        return cls("pets", ["birds", "leaves"])


class DatasetMediaTypeError(ProblemError):
    """The body is neither an archive nor images."""

    status, slug, title = 415, "dataset-media-type", "The body's content type is not taken as images"
    accepted = ("application/zip", "multipart/form-data", "image/*", "application/octet-stream")

    def __init__(self, found: str | None) -> None:
        said = f"Content-Type {found!r} is not taken here" if found else "the request has no Content-Type"
        super().__init__(
            f"{said}: send a zip of class folders as application/zip, or images with ?label=CLASS",
            found=found,
            accepted=list(self.accepted),
        )

    @classmethod
    def example(cls) -> Self:
        return cls("application/json")


class UnreadableArchiveError(ProblemError):
    """The archive is no zip file, or damaged as a whole."""

    status, slug, title = 422, "unreadable-archive", "The archive cannot be read"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"this is not a zip file, or it was cut short on its way ({reason}): pack the folders of the classes as a "
            "zip again, see that it opens, and send the whole of it"
        )

    @classmethod
    def example(cls) -> Self:
        return cls("File is not a zip file")


class UnsafeArchiveError(ProblemError):
    """The archive is made as no honest one is: nothing of it is taken."""

    status, slug, title = 422, "unsafe-archive", "The archive is refused"

    @classmethod
    def example(cls) -> Self:
        return cls("'../../etc/job' leads out of the archive: pack folders of classes, without .. in their names")


class DatasetTooLargeError(ProblemError):
    """The data set would have more images or bytes than allowed; nothing is added."""

    status, slug, title = 413, "dataset-too-large", "The data set would be too large"

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(
            f"a data set may have at most {limit:,} {what}, and nothing of this upload was kept: send less, or raise "
            f"DUET_MAX_DATASET_{what.upper()}",
            limit=limit,
        )

    @classmethod
    def example(cls) -> Self:
        return cls("images", 50_000)


class NoUsableImageError(ProblemError):
    """None of the files is an image that can be added; the answer says of the first ones why."""

    status, slug, title = 422, "no-usable-image", "There is no image to add"

    def __init__(self, skipped: Sequence[tuple[str, str]]) -> None:
        named = "; ".join(f"{file}: {reason}" for file, reason in skipped[:5]) or "nothing lies in a folder of a class"
        super().__init__(
            f"none of {len(skipped)} files can be added: {named}",
            skipped_files=[{"file": file, "reason": reason} for file, reason in skipped[:100]],
        )

    @classmethod
    def example(cls) -> Self:
        return cls([("cat/notes.txt", "the data is not an image that is read here")])


class TooManyUploadsError(ProblemError):
    """As many uploads of images are under way as are taken at a time."""

    status, slug, title = 429, "too-many-uploads", "Too many uploads at a time"

    def __init__(self, running: int) -> None:
        super().__init__(
            f"{running} uploads of images are under way: try again in a while", headers={"Retry-After": "10"}
        )

    @classmethod
    def example(cls) -> Self:
        return cls(2)


class StorageFullError(ProblemError):
    """The disk has no room for what was sent; nothing of it is kept."""

    status, slug, title = 507, "storage-full", "The disk is full"

    def __init__(self) -> None:
        super().__init__("the disk of DUET_HOME is full, and nothing of this upload was kept: free some space")

    @classmethod
    def example(cls) -> Self:
        return cls()


class NoSuchSampleError(ProblemError):
    """No test image of this number is at hand."""

    status, slug, title = 404, "no-such-sample", "There is no such test image"

    def __init__(self, index: int, count: int) -> None:
        there_are = f"there are {count}, counted from 0" if count else "none are at hand: set DUET_DATA_DIR"
        super().__init__(f"no test image {index}: {there_are}", count=count)

    @classmethod
    def example(cls) -> Self:
        return cls(1000, 1000)
