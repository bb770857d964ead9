"""Drift tests of live answers: class mix, confidence and energy of each version against its holdout."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from core.schemas.live import DriftTest, LiveDrift
from core.sequential.drift import RateState, RateWatch
from service.live.reference import CONFIDENCE_LIMITS, HoldoutReference
from service.live.rows import AnswerRow, ModelKey, TrafficRow

log = logging.getLogger("duet.live")
FALSE_ALARM_RATE = 0.01
"""Probability of a false alarm of each test of a version, at any horizon."""


class DriftTests:
    """The tests of all versions that were seen. An answer that averages over views has no reference and is skipped."""

    def __init__(
        self,
        reference_of: Callable[[ModelKey], HoldoutReference | None],
        states: Mapping[str, Mapping[DriftTest, RateState]],
    ) -> None:
        """`states` are those of an earlier run, by `str(key)`."""
        self._reference_of = reference_of
        self._states = dict(states)
        self._watches: dict[ModelKey, dict[DriftTest, RateWatch]] = {}

    def observe(self, rows: Sequence[TrafficRow]) -> None:
        """Take new rows in the order of their time."""
        answers: dict[ModelKey, list[AnswerRow]] = {}
        for row in rows:
            for answer in row.answers:
                if not answer.tta:
                    answers.setdefault(answer.key, []).append(answer)
        for key, found in answers.items():
            reference = self._reference_of(key)
            if reference is not None:
                for test, watch in self._of(key, reference).items():
                    watch.observe(_hits(test, found, reference))

    def results(self, key: ModelKey) -> tuple[LiveDrift, ...]:
        """The results of a version; empty if it has no reference."""
        reference = self._reference_of(key)
        if reference is None:
            return ()
        return tuple(LiveDrift(test=test, result=watch.result()) for test, watch in self._of(key, reference).items())

    @property
    def states(self) -> dict[str, Mapping[DriftTest, RateState]]:
        """The states to be stored, also of versions that were not seen since the start."""
        seen = {str(key): {test: watch.state for test, watch in found.items()} for key, found in self._watches.items()}
        return {**self._states, **seen}

    def _of(self, key: ModelKey, reference: HoldoutReference) -> dict[DriftTest, RateWatch]:
        if key not in self._watches:
            stored = self._states.get(str(key), {})
            self._watches[key] = {
                test: RateWatch(rates, false_alarm_rate=FALSE_ALARM_RATE, state=stored.get(test))
                for test, rates in reference.rates.items()
            }
        return self._watches[key]


def _hits(test: DriftTest, answers: Sequence[AnswerRow], reference: HoldoutReference) -> npt.NDArray[np.bool_]:
    """Properties of the answers, bool [N, J], in the order of the reference's rates."""
    if test == "class_mix":
        places = {label: k for k, label in enumerate(reference.labels)}
        hits_NK = np.zeros((len(answers), len(places)), np.bool_)
        hits_NK[np.arange(len(answers)), [places[answer.label] for answer in answers]] = True
        return hits_NK
    if test == "confidence":
        return np.array([[answer.confidence < limit for limit in CONFIDENCE_LIMITS] for answer in answers], np.bool_)
    return np.array([[answer.flagged] for answer in answers], np.bool_)
