"""Accuracy of live answers without labels, from the answers of two families and the record of these two versions."""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core.errors import DuetError
from core.records.label_free import LabelFree
from core.records.lookup import find_report
from core.repository.repository import ModelRepository
from core.schemas.live import LiveLabelFree
from core.sequential.disagreement import input_values
from service.live.rows import AnswerRow, ModelKey, TrafficRow

log = logging.getLogger("duet.live")
MIN_IMAGES = 200
"""Images that both must have answered. The error of an estimate was measured on 1,000 images; with fewer than this,
chance would add about as much."""
RETRY_SECONDS = 30.0
"""Time after which a missing record is looked for again."""


class Outcome(NamedTuple):
    """An estimate, or the reason why there is none."""

    estimate: LiveLabelFree | None = None
    reason: str | None = None


class LabelFreeEstimates:
    """Estimates for all versions. Records are kept once found."""

    def __init__(self, repository: ModelRepository, layers: Sequence[Path]) -> None:
        """`layers` are the folders of records, in order of precedence."""
        self._repository = repository
        self._layers = layers
        self._found: dict[frozenset[str], LabelFree] = {}
        self._missing: dict[frozenset[str], tuple[float, str]] = {}

    def estimate(self, key: ModelKey, rows: Iterable[TrafficRow]) -> Outcome:
        """The estimate for a version from recent images that it and a version of another family answered.

        If there are several such versions, it is the one with the most images in common.
        """
        if key.precision == "int8":
            return Outcome(reason="the error was measured with fp32, and int8 answers differ")
        pairs = [pair for row in rows if (pair := _pair(key, row)) is not None]
        if not pairs:
            return Outcome(reason="no recent image was answered by a second family with the same classes")
        [(other, images)] = Counter(pair.other.key for pair in pairs).most_common(1)
        record = self._record(key, other)
        if isinstance(record, str):
            return Outcome(reason=record)
        if images < MIN_IMAGES:
            return Outcome(
                reason=f"{key.reference} and {other.reference} have answered {images} recent images in common, "
                f"and {MIN_IMAGES} are needed"
            )
        chosen = [pair for pair in pairs if pair.other.key == other]
        fit = record.fit_of(key.reference)
        values_NF = input_values(
            fit.correctness.inputs,
            np.stack([pair.own.probabilities_K for pair in chosen]),
            np.stack([pair.other.probabilities_K for pair in chosen]),
        )
        accuracy = np.average(fit.correctness.correct(values_NF), weights=[pair.weight for pair in chosen])
        return Outcome(
            LiveLabelFree(
                accuracy=float(accuracy),
                other=other.reference,
                images=images,
                error=fit.error(),
                largest_error=fit.largest_error,
            )
        )

    def _record(self, key: ModelKey, other: ModelKey) -> LabelFree | str:
        """The record of two versions, or the reason why there is none."""
        pair = frozenset((key.reference, other.reference))
        if pair in self._found:
            return self._found[pair]
        since, reason = self._missing.get(pair, (-math.inf, ""))
        if time.monotonic() - since < RETRY_SECONDS:
            return reason
        record = self._read(*sorted((key, other)))
        if isinstance(record, str):
            self._missing[pair] = time.monotonic(), record
        else:
            self._found[pair] = record
        return record

    def _read(self, first: ModelKey, second: ModelKey) -> LabelFree | str:
        try:
            manifests = [self._repository.manifest(each.family, each.version) for each in (first, second)]
            for order in (manifests, manifests[::-1]):
                found = find_report(LabelFree, order, self._layers)
                if found is not None and all(fit.conditions for fit in found.record.fits):
                    return found.record
        except (DuetError, OSError) as error:
            log.warning("no label-free accuracy of %s and %s: %s", first.reference, second.reference, error)
            return f"the record of {first.reference} and {second.reference} cannot be read"
        return (
            f"the error for {first.reference} and {second.reference} has not been measured: run "
            f"`duet evaluate {first.reference} --robustness --against {second.reference}`"
        )


class _Pair(NamedTuple):
    own: AnswerRow
    other: AnswerRow
    weight: float


def _pair(key: ModelKey, row: TrafficRow) -> _Pair | None:
    """The answers to one image by this version and by one of another family, None without; `tta` has other errors."""
    answers = [answer for answer in row.answers if not answer.tta]
    own = next((answer for answer in answers if answer.key == key), None)
    if own is None:
        return None
    for other in answers:
        if other.key.family != key.family and other.key.precision != "int8" and other.labels == own.labels:
            return _Pair(own, other, 1 / row.inclusion_probability)
    return None
