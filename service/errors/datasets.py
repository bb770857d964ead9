"""Errors of data sets and of uploads to them."""

from __future__ import annotations

from collections.abc import Sequence

from service.errors.base import ProblemError


class NoSuchDatasetError(ProblemError):
    """No data set has this name; the response lists the existing ones."""

    def __init__(self, name: str, available: Sequence[str]) -> None:
        listed = f"there are {', '.join(available)}" if available else "there are none yet"
        super().__init__(f"no data set {name!r}: {listed}", available=list(available))


class DatasetMediaTypeError(ProblemError):
    """The body is neither an archive nor images."""

    accepted = ("application/zip", "multipart/form-data", "image/*", "application/octet-stream")

    def __init__(self, found: str | None) -> None:
        problem = f"Content-Type {found!r} is not supported" if found else "the request has no Content-Type"
        super().__init__(
            f"{problem}: send a zip of class folders as application/zip, or images with ?label=CLASS",
            found=found,
            accepted=list(self.accepted),
        )


class UnreadableArchiveError(ProblemError):
    """The archive is not a zip file, or is truncated."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the upload is not a zip file or is truncated ({reason}): zip the class folders again, check that the "
            "archive opens, and upload it again"
        )


class UnsafeArchiveError(ProblemError):
    """The archive looks malicious; nothing of it is stored."""


class DatasetTooLargeError(ProblemError):
    """The upload would exceed the data set's limit of images or bytes; nothing of it is stored."""

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(
            f"a data set may have at most {limit:,} {what}, and nothing of this upload was stored: send less, or raise "
            f"DUET_MAX_DATASET_{what.upper()}",
            limit=limit,
        )


class NoUsableImageError(ProblemError):
    """No file of the upload is a usable image; the response gives the reasons of the first ones."""

    def __init__(self, skipped: Sequence[tuple[str, str]]) -> None:
        named = "; ".join(f"{file}: {reason}" for file, reason in skipped[:5]) or "no file is in a class folder"
        super().__init__(
            f"none of {len(skipped)} files can be added: {named}",
            skipped_files=[{"file": file, "reason": reason} for file, reason in skipped[:100]],
        )


class TooManyUploadsError(ProblemError):
    """The limit of simultaneous uploads is reached."""

    def __init__(self, running: int) -> None:
        super().__init__(f"{running} uploads are running: try again later")


class StorageFullError(ProblemError):
    """The disk is full; nothing of the upload is stored."""

    def __init__(self) -> None:
        super().__init__("the disk of DUET_HOME is full, and nothing of this upload was stored: free some space")


class NoSuchSampleError(ProblemError):
    """No test image has this index."""

    def __init__(self, index: int, count: int) -> None:
        listed = f"there are {count}, counted from 0" if count else "none are available: set DUET_DATA_DIR"
        super().__init__(f"no test image {index}: {listed}", count=count)
