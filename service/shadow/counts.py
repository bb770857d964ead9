"""Counts of a shadow trial: each process replaces a small file of its own in the folder of the trial."""

from __future__ import annotations

import os
import secrets
import socket
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import Field, ValidationError

from core.files.durable import atomic_replace
from core.strict_model import StrictModel

_PREFIX, _SUFFIX = "counts-", ".json"


class Compared(NamedTuple):
    """Images of a trial so far, over all processes.

    Attributes:
        agreements: number of images to which both gave the same answer.
        disagreements: number of images to which they gave different answers.
        dropped: number of chosen images that the challenger did not answer, because there was no idle time.
    """

    agreements: int = 0
    disagreements: int = 0
    dropped: int = 0


class _Counts(StrictModel):
    """Counts of one process.

    Attributes:
        agreed: images with the same answer of both models, by class.
    """

    agreed: dict[str, int] = Field(default_factory=dict)
    disagreements: int = 0
    dropped: int = 0


class TrialCounter:
    """The counts of this process; used from one thread, except `save`, which may run in another."""

    def __init__(self, folder: Path) -> None:
        """`folder` is that of the trial."""
        host = "".join(character if character.isalnum() else "_" for character in socket.gethostname())
        self._path = folder / f"{_PREFIX}{host}-{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}"
        self._agreed: Counter[str] = Counter()
        self._disagreements = 0
        self._dropped = 0
        self._saved = _Counts()

    def add(self, agreed: Mapping[str, int], disagreements: int) -> None:
        """Count images that both models have answered."""
        self._agreed.update(agreed)
        self._disagreements += disagreements

    def drop(self, images: int) -> None:
        """Count images that the challenger will not answer."""
        self._dropped += images

    def snapshot(self) -> _Counts:
        """A copy of the counts."""
        return _Counts(agreed=dict(self._agreed), disagreements=self._disagreements, dropped=self._dropped)

    def save(self, counts: _Counts) -> None:
        """Store a snapshot, if it differs from the last one.

        Raises:
            OSError: the file cannot be written.
        """
        if counts != self._saved:
            atomic_replace(self._path, counts.model_dump_json().encode())
            self._saved = counts


def read_counts(folder: Path) -> Compared:
    """The stored counts of all processes.

    Raises:
        OSError: the folder cannot be read.
    """
    total = Compared()
    for path in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        try:
            found = _Counts.model_validate_json(path.read_bytes())
        except ValidationError:  # of another release
            continue
        total = Compared(
            total.agreements + sum(found.agreed.values()),
            total.disagreements + found.disagreements,
            total.dropped + found.dropped,
        )
    return total
