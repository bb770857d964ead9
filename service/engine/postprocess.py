"""What a batch of logits means: computed once for the batch, read row by row by the requests in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from core.repository.manifest import Calibration
from service.engine.arrays import Floats, Pixels, RunModel

# Digits that a float32 model can vouch for; more would only make answers longer.
DIGITS = 6


@dataclass(frozen=True, slots=True)
class Outputs:
    """Answers to N images, row i of each belonging to image i.

    Plain lists rather than arrays where requests read single numbers: a batch is converted once, and an element of
    an array costs ten times as much as one of a list.

    Attributes:
        logits_NK: float32.
        probabilities: after temperature, rounded to 6 digits.
        order: classes, most probable first.
        set_sizes: how many of `order` are in the prediction set, at least 1.
        energies: out-of-distribution scores, -logsumexp(logits).
    """

    logits_NK: Floats
    probabilities: list[list[float]]
    order: list[list[int]]
    set_sizes: list[int]
    energies: list[float]

    def rows(self, start: int, stop: int) -> Outputs:
        """Answers start..stop."""
        return Outputs(
            self.logits_NK[start:stop],
            self.probabilities[start:stop],
            self.order[start:stop],
            self.set_sizes[start:stop],
            self.energies[start:stop],
        )

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Outputs:
        """One after the other."""
        if len(parts) == 1:
            return parts[0]
        return Outputs(
            np.concatenate([part.logits_NK for part in parts]),
            [row for part in parts for row in part.probabilities],
            [row for part in parts for row in part.order],
            [size for part in parts for size in part.set_sizes],
            [score for part in parts for score in part.energies],
        )


RunBatch = Callable[[Pixels], Outputs]
"""images_NHWC uint8 -> outputs; blocks, and may be called from several threads at a time."""


def with_postprocessing(run: RunModel, calibration: Calibration) -> RunBatch:
    """`run` followed by what its logits mean under `calibration`."""

    def run_batch(images_NHWC: Pixels) -> Outputs:
        return postprocess(run(images_NHWC), calibration)

    return run_batch


def postprocess(logits_NK: Floats, calibration: Calibration) -> Outputs:
    """Probabilities, their order, prediction sets and energies of float32 logits [N, K].

    What `softmax`, `energy` and `prediction_set_mask` of core.statistics give, whose steps are shared here: for one
    image, the arithmetic of numpy's calls is nothing and their number everything.
    """
    logits = logits_NK.astype(np.float64)
    greatest_N1 = np.maximum.reduce(logits, axis=1, keepdims=True)
    centered_NK = logits - greatest_N1
    normalizer_N1 = np.log(np.add.reduce(np.exp(centered_NK), axis=1, keepdims=True))
    exponentials_NK = np.exp(centered_NK / calibration.temperature)
    probabilities_NK = exponentials_NK / np.add.reduce(exponentials_NK, axis=1, keepdims=True)
    # Compared as float32, as prediction_set_mask does; the most probable class is in the set even when below.
    in_set_NK = probabilities_NK.astype(np.float32) >= calibration.conformal_threshold
    return Outputs(
        logits_NK=logits_NK,
        probabilities=probabilities_NK.round(DIGITS).tolist(),
        order=(-probabilities_NK).argsort(axis=1, kind="stable").tolist(),
        set_sizes=[size or 1 for size in np.add.reduce(in_set_NK, axis=1, dtype=np.intp).tolist()],
        energies=(-(greatest_N1 + normalizer_N1)).ravel().tolist(),
    )
