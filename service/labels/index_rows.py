"""Index rows of captured images: place, key and choice of each record in 56 bytes, without image and answers."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from service.labels.choice import choice_probability
from service.labels.events import key_of_record
from service.traffic.record import CapturedRequest

Rows: TypeAlias = npt.NDArray[Any]
"""Structured array, [N], of `ROW`."""

ROW = np.dtype(
    [
        ("choice", "<u8"),  # first half of the key
        ("position", "<u8"),  # second half of the key
        ("id", "<u8"),  # `text_digest` of the id of the record
        ("offset", "<u8"),  # of the frame in its segment
        ("time", "<f8"),
        ("probability", "<f8"),  # of being chosen; NaN in a shadow trial, whose images are all chosen
        ("trial", "<u8"),  # `text_digest` of the id of the shadow trial; 0: random capture
    ]
)
_RANGE = 2.0**64


def index_rows(records: Sequence[CapturedRequest]) -> Rows:
    """The rows of records that were read from disk."""
    return np.array([_row(record) for record in records], ROW)


def text_digest(text: str) -> int:
    """64 bits by which the records with an id, or those of a trial, are found; never 0."""
    return int.from_bytes(sha256(text.encode()).digest()[:8], "little") or 1


def key_numbers(key: str) -> tuple[int, int]:
    """`choice` and `position` of a key, see `service.labels.events.key_of`."""
    return int(key[:16], 16), int(key[16:32], 16)


def key_text(row: Any) -> str:
    """Key of the record of a row."""
    return f"{int(row['choice']):016x}{int(row['position']):016x}"


def are_chosen(rows: Rows) -> npt.NDArray[np.bool_]:
    """Whether people are to label the images, bool [N]; the same as `service.labels.choice.is_chosen`."""
    chosen_N: npt.NDArray[np.bool_] = (rows["trial"] != 0) | (rows["choice"] / _RANGE < rows["probability"])
    return chosen_N


def _row(record: CapturedRequest) -> tuple[int, int, int, int, float, float, int]:
    if record.location is None:
        raise ValueError("the record was not read from disk")
    return (
        *key_numbers(key_of_record(record)),
        text_digest(record.id),
        record.location.offset,
        record.time.timestamp(),
        float("nan") if record.trial else choice_probability(record),
        text_digest(record.trial) if record.trial else 0,
    )
