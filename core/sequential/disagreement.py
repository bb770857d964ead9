"""Label-free accuracy: estimate of a model's accuracy from its answers and those of a model of another family.

Two different models that answer alike are mostly right, and their disagreement rises as accuracy falls (Jiang,
Nagarajan, Baek & Kolter 2022, "Assessing generalization of SGD via disagreement", ICLR; Baek, Jiang, Raghunathan &
Kolter 2022, "Agreement-on-the-line: predicting the performance of neural networks under distribution shift", NeurIPS).
A logistic regression gives the probability that an answer is correct, and its mean over images is the estimate, as for
average confidence (Guillory et al. 2021, "Predicting with confidence on unseen distributions", ICCV). It is fitted on
corrupted holdout images, and its error grows if traffic changes in other ways: report it only with its measured error.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from pydantic import Field

from core.strict_model import StrictModel

Floats = npt.NDArray[np.float64]
Probabilities = npt.NDArray[np.floating[Any]]
Inputs = Literal["agreement", "confidence", "confidence and agreement", "confidence and other"]
INPUTS: tuple[Inputs, ...] = get_args(Inputs)
_RIDGE = 1.0
_STEPS = 50
_TOLERANCE = 1e-9


class CorrectnessModel(StrictModel):
    """Logistic regression of "the answer is correct" on the answers of both models to an image."""

    inputs: Inputs = Field(
        description="agreement: both models give the same answer, 1 or 0; confidence: log odds of the top probability; "
        "other: log odds of the other model's probability of the same class"
    )
    weights: tuple[float, ...] = Field(description="constant, then one weight per input")

    @classmethod
    def fit(cls, inputs: Inputs, values_NF: Floats, right_N: npt.NDArray[np.bool_]) -> CorrectnessModel:
        """Fit by penalized maximum likelihood: Newton's method, with a ridge penalty on all weights but the constant.

        Args:
            inputs: name of the inputs.
            values_NF: float64 [N, F], from `input_values`.
            right_N: whether each answer is correct.

        Raises:
            ValueError: no image, or arrays of different lengths.
        """
        if not len(values_NF) == len(right_N) > 0:
            raise ValueError(f"expected one row of inputs per answer: {len(values_NF)} rows, {len(right_N)} answers")
        design_ND = _with_constant(values_NF)
        penalty_DD = _RIDGE * np.eye(design_ND.shape[1])
        penalty_DD[0, 0] = 1e-6  # keeps the constant finite if all answers are correct, or none
        weights_D = np.zeros(design_ND.shape[1])
        for _ in range(_STEPS):
            correct_N = _logistic(design_ND @ weights_D)
            gradient_D = design_ND.T @ (right_N - correct_N) - penalty_DD @ weights_D
            curvature_DD = (design_ND.T * (correct_N * (1 - correct_N))) @ design_ND + penalty_DD
            step_D = np.linalg.solve(curvature_DD, gradient_D)
            weights_D += step_D
            if np.abs(step_D).max() < _TOLERANCE:
                break
        return cls(inputs=inputs, weights=tuple(weights_D.tolist()))

    def accuracy(self, own_NK: Probabilities, other_NK: Probabilities) -> float:
        """Estimated accuracy on N >= 1 images, in [0, 1].

        Args:
            own_NK: [N, K], probabilities of the model, after temperature.
            other_NK: [N, K], those of the other model for the same images and classes.

        Raises:
            ValueError: no image, or arrays of different shapes.
        """
        return self.accuracy_of(input_values(self.inputs, own_NK, other_NK))

    def accuracy_of(self, values_NF: Floats) -> float:
        """Like `accuracy`, from `input_values`."""
        return float(self.correct(values_NF).mean())

    def correct(self, values_NF: Floats) -> Floats:
        """Probability that each answer is correct, float64 [N], from `input_values`."""
        return _logistic(_with_constant(values_NF) @ np.array(self.weights))


def input_values(inputs: Inputs, own_NK: Probabilities, other_NK: Probabilities) -> Floats:
    """Inputs of the regression, float64 [N, F]; arguments and errors are those of `CorrectnessModel.accuracy`."""
    if own_NK.shape != other_NK.shape or not len(own_NK):
        raise ValueError(f"expected the same images and classes: {own_NK.shape} and {other_NK.shape}")
    images_N, answer_N = np.arange(len(own_NK)), own_NK.argmax(axis=1)
    agreement_N = (other_NK.argmax(axis=1) == answer_N).astype(np.float64)
    confidence_N = log_odds(own_NK[images_N, answer_N])
    columns: dict[Inputs, list[Floats]] = {
        "agreement": [agreement_N],
        "confidence": [confidence_N],
        "confidence and agreement": [confidence_N, agreement_N],
        "confidence and other": [confidence_N, log_odds(other_NK[images_N, answer_N])],
    }
    return np.stack(columns[inputs], axis=1)


def log_odds(probability_N: Probabilities) -> Floats:
    """Log odds of probabilities, float64 [N]; those of 0 and 1 are finite."""
    inside_N = np.clip(np.asarray(probability_N, np.float64), 1e-12, 1 - 1e-12)
    return np.asarray(np.log(inside_N) - np.log1p(-inside_N))


def _with_constant(values_NF: Floats) -> Floats:
    return np.column_stack([np.ones(len(values_NF)), values_NF])


def _logistic(values_N: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(values_N, -500, 500))))
