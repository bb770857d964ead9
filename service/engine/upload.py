"""An uploaded image file, before it is decoded."""

from __future__ import annotations

from typing import NamedTuple


class Upload(NamedTuple):
    """One file as it was sent; `filename` is None for a raw body."""

    filename: str | None
    content: bytes
