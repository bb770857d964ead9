"""Choice of pictures for labelling: known probabilities, independent of the order in the queue."""

from __future__ import annotations

import numpy as np
import pytest

from service.labels.choice import MIN_PROBABILITY, choice_probability, is_chosen, position
from service.labels.events import key_of
from service.traffic.record import CapturedRequest
from tests.support.labels import certain, disputed
from tests.support.traffic import answer, captured

KEYS = [key_of(f"request-{number}", 1.5, "capture") for number in range(20_000)]


def margin(first: float) -> CapturedRequest:
    return captured(answers=(answer(probabilities_K=np.array([first, 1 - first], np.float32)),))


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (certain("a"), MIN_PROBABILITY),
        (disputed("a"), 1.0),
        (margin(0.75), MIN_PROBABILITY + (1 - MIN_PROBABILITY) * 0.5),
        (margin(0.5), 1.0),
    ],
)
def test_probability_grows_with_uncertainty_and_disagreement(record: CapturedRequest, expected: float) -> None:
    assert choice_probability(record) == pytest.approx(expected)


def test_least_certain_model_decides() -> None:
    sure, unsure = margin(1.0).answers, margin(0.6).answers
    assert choice_probability(captured(answers=sure + unsure)) == pytest.approx(0.2 + 0.8 * 0.8)


@pytest.mark.parametrize("probability", [0.2, 0.5, 1.0])
def test_images_are_chosen_with_their_probability(probability: float) -> None:
    share = np.mean([is_chosen(key, probability) for key in KEYS])
    assert share == pytest.approx(probability, abs=0.015)


def test_position_is_uniform_and_independent_of_the_choice() -> None:
    chosen = np.array([is_chosen(key, 0.5) for key in KEYS])
    positions = np.array([position(key) for key in KEYS])
    assert np.quantile(positions, [0.25, 0.5, 0.75]) == pytest.approx([0.25, 0.5, 0.75], abs=0.02)
    assert abs(np.corrcoef(chosen, positions)[0, 1]) < 0.03
