"""Booleans of many images as text: a bit each, packed, in base64."""

from __future__ import annotations

from base64 import b64decode, b64encode

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]


def pack_bits(values_N: Bools) -> str:
    """The text of bool [N]."""
    return b64encode(np.packbits(values_N).tobytes()).decode("ascii")


def unpack_bits(text: str, count: int) -> Bools:
    """The booleans [count] of what `pack_bits` made of that many."""
    return np.unpackbits(np.frombuffer(b64decode(text), np.uint8), count=count).astype(np.bool_)
