"""Files of an upload, candidates with a label and skipped files with a reason, and the limits of uploads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from service.settings import Settings


class Candidate(NamedTuple):
    """A file that may be an image of a class."""

    name: str
    """File name from the client, or path in the archive."""
    label: str
    content: bytes


class Skipped(NamedTuple):
    """A file that is not added."""

    name: str
    reason: str


def too_large(limit: int) -> str:
    """Reason for skipping a file of more than `limit` bytes."""
    return f"larger than {limit:,} bytes"


@dataclass(frozen=True)
class Limits:
    """Limits in bytes, images, pixels or seconds.

    Attributes:
        upload_bytes: of a request's body.
        image_bytes: of one file, the same as for predictions.
        pixels: of one image.
        images: of a whole data set.
        bytes: of a whole data set, on disk.
        seconds: from the head of a request to the end of its body.
    """

    upload_bytes: int
    image_bytes: int
    pixels: int
    images: int
    bytes: int
    seconds: float


UPLOAD_SECONDS = 3600.0
"""Time limit for the body of an upload; after it the response is 408."""


def limits_of(settings: Settings) -> Limits:
    """The limits in the settings."""
    return Limits(
        upload_bytes=settings.max_upload_bytes,
        image_bytes=settings.max_body_bytes,
        pixels=settings.max_pixels,
        images=settings.max_dataset_images,
        bytes=settings.max_dataset_bytes,
        seconds=UPLOAD_SECONDS,
    )
