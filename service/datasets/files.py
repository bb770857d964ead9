"""What an upload brings, one file at a time: bytes with a label, or a reason why there are none."""

from __future__ import annotations

from typing import NamedTuple


class Candidate(NamedTuple):
    """A file that may be an image of a class."""

    name: str
    """As the client named it, or its path in the archive."""
    label: str
    content: bytes


class Skipped(NamedTuple):
    """A file that is left out."""

    name: str
    reason: str


def too_large(limit: int) -> str:
    """Why a file of more than `limit` bytes is left out."""
    return f"larger than {limit:,} bytes"
