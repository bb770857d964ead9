"""Files of the teachers' soft labels: per round one file of logits and, for runs with hints, one of features.

One round is one augmented view of every training image. Rounds are read one at a time, so that only one is in memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import overload

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from core.errors import CheckpointError
from core.files.durable import atomic_replace


@dataclass(frozen=True)
class RoundSoftLabels:
    """Soft labels of one round, on the CPU.

    Attributes:
        logits_NK: float32 [N, K], calibrated logits.
        hints_NF: float16 [N, F], projected features; None for a run without hints.
    """

    logits_NK: Tensor
    hints_NF: Tensor | None


@dataclass(frozen=True)
class SoftLabelFolder:
    """Cache folder of one teacher's soft labels. Each file is complete or absent."""

    path: Path

    def has(self, number: int, *, hints: bool) -> bool:
        """True if the logits of a round exist and, with `hints`, its features."""
        return self._logits(number).exists() and (not hints or self._hints(number).exists())

    def has_logits(self, number: int) -> bool:
        """True if the logits of a round exist."""
        return self._logits(number).exists()

    def save(self, number: int, logits_NK: Tensor, hints_NF: Tensor | None, seconds: float) -> None:
        """Write a round and its wall time. The time is written first, so that every stored round has one.

        Existing logits are not replaced, because other runs use them; `seconds` is added to their time.

        Args:
            number: number of the round.
            logits_NK: float16 [N, K], not calibrated.
            hints_NF: float16 [N, F]; None for a run without hints.
            seconds: wall time.
        """
        known = self.has_logits(number)
        total = seconds + (self.seconds([number]) if known else 0.0)
        atomic_replace(self._seconds(number), str(total).encode())
        if hints_NF is not None:
            atomic_replace(self._hints(number), partial(np.save, arr=hints_NF.numpy()))
        if not known:
            atomic_replace(self._logits(number), partial(np.save, arr=logits_NK.numpy()))

    def seconds(self, numbers: Sequence[int]) -> float:
        """Total wall time of these rounds."""
        return sum(float(self._seconds(number).read_text(encoding="utf-8")) for number in numbers)

    def read(self, number: int, *, temperature: float, hints: bool) -> RoundSoftLabels:
        """Read a round and divide its logits by `temperature`, in float32.

        Raises:
            CheckpointError: a file was removed or damaged during the run.
        """
        logits_NK = torch.from_numpy(_load(self._logits(number))).float() / temperature
        hints_NF = torch.from_numpy(_load(self._hints(number))) if hints else None
        return RoundSoftLabels(logits_NK, hints_NF)

    def _logits(self, number: int) -> Path:
        return self.path / f"round-{number}.npy"

    def _hints(self, number: int) -> Path:
        return self.path / f"hints-{number}.npy"

    def _seconds(self, number: int) -> Path:
        return self.path / f"round-{number}.seconds"


@dataclass(frozen=True)
class StoredRounds(Sequence[RoundSoftLabels]):
    """Sequence of the rounds of a run; each access reads one from disk.

    Attributes:
        sources: cache folder and calibration temperature of each teacher. The logits of a round are the logarithms of
            the mean of their probabilities.
        number: number of rounds.
        hints: also read the hints, which only a single teacher has.
    """

    sources: tuple[tuple[SoftLabelFolder, float], ...]
    number: int
    hints: bool

    def __len__(self) -> int:
        return self.number

    @overload
    def __getitem__(self, index: int) -> RoundSoftLabels: ...
    @overload
    def __getitem__(self, index: slice) -> list[RoundSoftLabels]: ...
    def __getitem__(self, index: int | slice) -> RoundSoftLabels | list[RoundSoftLabels]:
        """Read one round, or several for a slice.

        Raises:
            CheckpointError: a file was removed or damaged during the run.
            IndexError: `index` is out of range.
        """
        chosen = range(self.number)[index]
        if isinstance(chosen, range):
            return [self[each] for each in chosen]
        read = [folder.read(chosen, temperature=value, hints=self.hints) for folder, value in self.sources]
        if len(read) == 1:
            return read[0]
        probabilities_TNK = torch.stack([labels.logits_NK for labels in read]).log_softmax(2)
        return RoundSoftLabels(probabilities_TNK.logsumexp(0) - math.log(len(read)), None)


def _load(path: Path) -> npt.NDArray[np.float16]:
    try:
        values: npt.NDArray[np.float16] = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"cannot read the soft labels in {path} ({error}): delete the file if it exists and continue with "
            "--resume, which computes it again"
        ) from error
    return values
