"""Files of an upload: candidates with a label, and skipped files with a reason."""

from __future__ import annotations

from typing import NamedTuple


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
