"""Files of an upload, candidates with a label and skipped files with a reason, and the limits of uploads."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

from core.images.folder_layouts import Part
from service.settings import MIB, Settings

_SUFFIXES = ((b"\x89PNG", ".png"), (b"\xff\xd8", ".jpg"), (b"RIFF", ".webp"), (b"GIF8", ".gif"), (b"BM", ".bmp"))


class Candidate(NamedTuple):
    """A file that may be an image of a class."""

    name: str
    """File name from the client, or path in the archive."""
    label: str
    content: bytes
    part: Part | None = None
    """Part that the archive gives."""


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
        all_bytes: of all data sets together, on disk.
        free_bytes: free disk space that uploads leave for jobs.
        seconds: from the head of a request to the end of its body.
        decoding_seconds: from the end of the body to the end of the decoding of its images.
    """

    upload_bytes: int
    image_bytes: int
    pixels: int
    images: int
    bytes: int
    all_bytes: int
    free_bytes: int
    seconds: float
    decoding_seconds: float

    def pixels_for(self, uploaded_bytes: int) -> int:
        """Limit of pixels of all images in an upload of this size. Tiny files can have many pixels."""
        return MIN_UPLOAD_PIXELS + PIXELS_PER_BYTE * uploaded_bytes


MAX_UPLOAD_BYTES = 1024 * MIB
"""Maximum size of the body of an upload, which is streamed to disk."""
MAX_DATASET_BYTES = 4096 * MIB
"""Maximum size of a data set on disk and of an unpacked archive."""
UPLOAD_SECONDS = 3600.0
"""Time limit for the body of an upload; after it the response is 408."""
DECODING_SECONDS = 600.0
"""Time limit for decoding the images of an upload; after it the response is 504."""
MIN_UPLOAD_PIXELS = 500_000_000
PIXELS_PER_BYTE = 256
"""Photographs have less than 60 pixels per byte, line drawings about 150."""


def limits_of(settings: Settings) -> Limits:
    """The limits in the settings."""
    return Limits(
        upload_bytes=MAX_UPLOAD_BYTES,
        image_bytes=settings.max_body_bytes,
        pixels=settings.max_pixels,
        images=settings.max_dataset_images,
        bytes=MAX_DATASET_BYTES,
        all_bytes=settings.max_datasets_bytes,
        free_bytes=settings.job_free_mib * MIB,
        seconds=UPLOAD_SECONDS,
        decoding_seconds=DECODING_SECONDS,
    )


def stored_name(content: bytes) -> str:
    """File name of an uploaded image: the sha256 of its content, and the suffix of its format."""
    return hashlib.sha256(content).hexdigest() + _suffix(content)


def _suffix(content: bytes) -> str:
    """File name suffix of the image format."""
    return next((suffix for signature, suffix in _SUFFIXES if content.startswith(signature)), ".tif")
