"""Label-free accuracy: the regression against scikit-learn, its inputs, estimates under a simulated shift."""

from __future__ import annotations

import numpy as np
import pytest

from core.sequential.disagreement import INPUTS, CorrectnessModel, Inputs, Probabilities, input_values

OWN_NK = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]], np.float32)
OTHER_NK = np.array([[0.5, 0.4, 0.1], [0.5, 0.2, 0.3]], np.float32)


def answers(
    noise: float, images: int, random: np.random.Generator
) -> tuple[Probabilities, Probabilities, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Two models with independent errors that rise with the noise, and correctness of the first."""
    labels_N = random.integers(0, 10, images)
    found = []
    for _ in range(2):
        logits_NK = random.normal(0, 1 + noise, (images, 10))
        logits_NK[np.arange(images), labels_N] += 4
        exp_NK = np.exp(logits_NK - logits_NK.max(axis=1, keepdims=True))
        found.append(exp_NK / exp_NK.sum(axis=1, keepdims=True))
    return found[0], found[1], found[0].argmax(axis=1) == labels_N


@pytest.mark.parametrize("inputs", INPUTS)
def test_the_fit_is_that_of_scikit_learn(inputs: Inputs) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    own_NK, other_NK, right_N = answers(0.8, 2_000, np.random.default_rng(0))
    values_NF = input_values(inputs, own_NK, other_NK)
    theirs = linear_model.LogisticRegression(C=1.0, tol=1e-10, max_iter=1_000).fit(values_NF, right_N)
    ours = CorrectnessModel.fit(inputs, values_NF, right_N)
    assert ours.weights == pytest.approx([theirs.intercept_[0], *theirs.coef_[0]], abs=1e-4)
    assert ours.accuracy_of(values_NF) == pytest.approx(right_N.mean(), abs=1e-6)
    assert ours.accuracy(own_NK, other_NK) == ours.accuracy_of(values_NF)


def test_inputs_are_those_of_the_own_answer() -> None:
    assert input_values("agreement", OWN_NK, OTHER_NK).tolist() == [[1], [0]]
    own_2, other_2 = np.log([0.7 / 0.3, 0.6 / 0.4]), np.log([0.5 / 0.5, 0.2 / 0.8])
    assert input_values("confidence", OWN_NK, OTHER_NK)[:, 0] == pytest.approx(own_2, abs=1e-5)
    both_22 = input_values("confidence and other", OWN_NK, OTHER_NK)
    assert pytest.approx(np.stack([own_2, other_2]), abs=1e-5) == both_22.T


@pytest.mark.parametrize("inputs", ["agreement", "confidence and other"])
def test_the_estimate_follows_accuracy_between_fitted_conditions(inputs: Inputs) -> None:
    random = np.random.default_rng(1)
    fitted = [answers(noise, 4_000, random) for noise in (0.0, 1.0, 3.0)]
    values_NF = np.concatenate([input_values(inputs, own_NK, other_NK) for own_NK, other_NK, _ in fitted])
    model = CorrectnessModel.fit(inputs, values_NF, np.concatenate([right_N for *_, right_N in fitted]))
    found = []
    for noise in (0.2, 0.7, 2.0):
        own_NK, other_NK, right_N = answers(noise, 4_000, random)
        found.append((model.accuracy(own_NK, other_NK), right_N.mean()))
    estimates, truths = zip(*found, strict=True)
    assert truths[0] - truths[2] > 0.3
    assert estimates == pytest.approx(truths, abs=0.1)


def test_a_fit_of_correct_answers_alone_stays_finite() -> None:
    values_NF = input_values("confidence", OWN_NK, OTHER_NK)
    model = CorrectnessModel.fit("confidence", values_NF, np.ones(2, np.bool_))
    assert 0.9 < model.accuracy(OWN_NK, OTHER_NK) <= 1
    assert CorrectnessModel.model_validate_json(model.model_dump_json()) == model


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="same images and classes"):
        input_values("agreement", OWN_NK, OTHER_NK[:1])
    with pytest.raises(ValueError, match="same images and classes"):
        input_values("agreement", OWN_NK[:0], OTHER_NK[:0])
    with pytest.raises(ValueError, match="one row of inputs"):
        CorrectnessModel.fit("agreement", np.zeros((2, 1)), np.ones(3, np.bool_))
