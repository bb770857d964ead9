"""Estimates from weighted labels: unbiased over all traffic although uncertain images are labelled more often."""

from __future__ import annotations

import numpy as np
import pytest

from service.labels.choice import choice_probability, is_chosen, position
from service.labels.estimates import estimate
from service.labels.events import LabelledAnswer, key_of
from service.labels.observations import Observation
from tests.support.traffic import answer, captured


def observation(label: str | None, *answers: LabelledAnswer, probability: float = 1.0, number: int = 0) -> Observation:
    return Observation(
        id=str(number),
        recorded=0.0,
        labelled=float(number),
        label=label,
        capture_probability=0.1,
        choice_probability=probability,
        answers=answers,
    )


CAT, DOG = (LabelledAnswer.of(answer(label=label)) for label in ("cat", "dog"))


def test_no_observation_gives_no_estimate() -> None:
    assert estimate([]) == []


def test_accuracy_is_weighted_by_the_inverse_probability() -> None:
    [found] = estimate([observation("cat", CAT, probability=0.25), observation("cat", DOG, probability=1.0, number=1)])

    assert (found.model.family, found.images) == ("cnn", 2)
    assert found.accuracy.value == pytest.approx(4 / 5)
    assert found.precision["dog"].value == 0
    assert found.recall["cat"].value == pytest.approx(4 / 5)
    assert set(found.recall) == {"cat"}


def test_none_of_the_classes_is_a_wrong_answer_and_no_class() -> None:
    [found] = estimate([observation(None, CAT)])
    assert found.accuracy.value == 0
    assert found.precision["cat"].value == 0
    assert found.recall == {}


def test_answers_that_no_client_got_are_left_out() -> None:
    other = LabelledAnswer.of(answer("mlp", in_response=False))
    assert [each.model.family for each in estimate([observation("cat", CAT, other)])] == ["cnn"]


def test_estimate_of_chosen_images_is_unbiased() -> None:
    """The model is right with its stated confidence. Unweighted labels of the choice would say 10 points less."""
    rng = np.random.default_rng(5)
    confidence_N = rng.choice([0.55, 0.99], 3000, p=[0.3, 0.7])
    right_N = rng.random(3000) < confidence_N
    found: list[tuple[float, Observation]] = []
    for number, (confidence, right) in enumerate(zip(confidence_N, right_N, strict=True)):
        one = answer(probabilities_K=np.array([confidence, 1 - confidence], np.float32))
        key = key_of(str(number), 0.0, "capture")
        probability = choice_probability(captured(answers=(one,)))
        if is_chosen(key, probability):
            label = "cat" if right else "dog"
            labelled = observation(label, LabelledAnswer.of(one), probability=probability, number=number)
            found.append((position(key), labelled))
    first = [each for _, each in sorted(found, key=lambda pair: pair[0])[:700]]

    [result] = estimate(first)

    assert result.accuracy.value == pytest.approx(right_N.mean(), abs=0.025)
    assert result.accuracy.low < right_N.mean() < result.accuracy.high
    assert np.mean([each.label == "cat" for each in first]) < right_N.mean() - 0.08
