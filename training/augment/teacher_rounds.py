"""Files of a teacher's answers: one file of logits per round and, where hints are asked for, one of features.

Rounds are read one at a time, so that a run of a thousand rounds holds only one of them in memory.
"""

from __future__ import annotations

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
class RoundAnswers:
    """A teacher's answers to every training image as one round changes it, on the CPU.

    Attributes:
        logits_NK: float16 [N, K], calibrated.
        hints_NF: float16 [N, F], the teacher's projected features; None where the run takes no hints.
    """

    logits_NK: Tensor
    hints_NF: Tensor | None


@dataclass(frozen=True)
class AnswersFolder:
    """Names, reads and writes the files of one teacher's rounds; each file is complete or absent."""

    path: Path

    def has(self, number: int, *, hints: bool) -> bool:
        """Whether the logits of a round are there and, if asked for, its hints."""
        return self._logits(number).exists() and (not hints or self._hints(number).exists())

    def has_logits(self, number: int) -> bool:
        """Whether the logits of a round are there."""
        return self._logits(number).exists()

    def keep(self, number: int, logits_NK: Tensor, hints_NF: Tensor | None, seconds: float) -> None:
        """Write a round and the seconds it took, which are written first: a kill leaves no round without its time.

        Logits that are there already are not replaced, because other runs learn from them; the time adds to theirs.

        Args:
            number: of the round.
            logits_NK: float16 [N, K], not calibrated.
            hints_NF: float16 [N, F]; None if the run takes no hints.
            seconds: wall time.
        """
        known = self.has_logits(number)
        earlier = self.seconds([number]) if known else 0.0
        if earlier is not None:
            atomic_replace(self._seconds(number), str(earlier + seconds).encode())
        if hints_NF is not None:
            atomic_replace(self._hints(number), partial(np.save, arr=hints_NF.numpy()))
        if not known:
            atomic_replace(self._logits(number), partial(np.save, arr=logits_NK.numpy()))

    def seconds(self, numbers: Sequence[int]) -> float | None:
        """Wall time of these rounds; None if the time of one is not known."""
        paths = [self._seconds(number) for number in numbers]
        return sum(float(path.read_text()) for path in paths) if all(path.exists() for path in paths) else None

    def read(self, number: int, *, temperature: float, hints: bool) -> RoundAnswers:
        """A round, its logits divided by `temperature`.

        Raises:
            CheckpointError: a file was removed or damaged after the run had begun.
        """
        logits_NK = _load(self._logits(number)) / np.float16(temperature)
        hints_NF = torch.from_numpy(_load(self._hints(number))) if hints else None
        return RoundAnswers(torch.from_numpy(logits_NK), hints_NF)

    def _logits(self, number: int) -> Path:
        return self.path / f"round-{number}.npy"

    def _hints(self, number: int) -> Path:
        return self.path / f"hints-{number}.npy"

    def _seconds(self, number: int) -> Path:
        return self.path / f"round-{number}.seconds"


@dataclass(frozen=True)
class StoredRounds(Sequence[RoundAnswers]):
    """The rounds of a run, each read from its file when it is asked for.

    Attributes:
        folder: holds their files.
        number: how many there are.
        temperature: divides the stored logits.
        hints: whether to read hints too.
    """

    folder: AnswersFolder
    number: int
    temperature: float
    hints: bool

    def __len__(self) -> int:
        return self.number

    @overload
    def __getitem__(self, index: int) -> RoundAnswers: ...
    @overload
    def __getitem__(self, index: slice) -> list[RoundAnswers]: ...
    def __getitem__(self, index: int | slice) -> RoundAnswers | list[RoundAnswers]:
        """Read one round or several.

        Raises:
            CheckpointError: a file was removed or damaged after the run had begun.
            IndexError: the run has no such round.
        """
        chosen = range(self.number)[index]
        if isinstance(chosen, range):
            return [self[each] for each in chosen]
        return self.folder.read(chosen, temperature=self.temperature, hints=self.hints)


def _load(path: Path) -> npt.NDArray[np.float16]:
    try:
        answers: npt.NDArray[np.float16] = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"cannot read the teacher's answers in {path} ({error}): delete that file if it is there and go on with "
            "--resume, which computes it again"
        ) from error
    return answers
