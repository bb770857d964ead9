"""Records of a version's graphs in its manifest: calibration, agreement with the network, int8 and bf16 variants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, get_args

from pydantic import Field

from core.errors import did_you_mean
from core.statistics.intervals import ConfidenceInterval
from core.strict_model import StrictModel

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
ProviderName = Literal["cpu", "openvino", "cuda"]
"""Execution provider of onnxruntime; see `core.repository.onnx_session`."""


def check_provider_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return names of execution providers in order of preference, or `auto` alone.

    Raises:
        ValueError: a name is unknown or repeated, or there is none.
    """
    known = ("auto", *get_args(ProviderName))
    for name in names:
        if name not in known:
            listed = f"{', '.join(known[:-1])} or {known[-1]}"
            raise ValueError(f"unknown execution provider {name!r}{did_you_mean(name, known)}: use {listed}")
    if not names or len(set(names)) < len(names) or ("auto" in names and len(names) > 1):
        raise ValueError("name each execution provider once, or auto alone")
    return tuple(names)


class Calibration(StrictModel):
    """Thresholds fitted on the holdout for one precision of a version.

    probabilities = softmax(logits / temperature). The prediction set of an image has the most probable class and every
    class with a probability of at least `conformal_threshold`; it contains the true class with probability >=
    `coverage`. The out-of-distribution score is the energy -logsumexp(logits). An image is flagged if its score is
    above `ood_threshold`; this flags a share `ood_flag_rate` of the holdout.
    """

    temperature: float = Field(gt=0)
    coverage: Probability
    conformal_threshold: Probability
    ood_threshold: float
    ood_flag_rate: Probability


class ClassBiasRecord(StrictModel):
    """Class biases that were fitted together with the temperature on the holdout.

    Log losses are cross-validated means over the holdout images. The biases are kept, as part of the weights, if
    `least_fall` is above 1e-6.
    """

    images: int = Field(gt=0, description="number of holdout images")
    folds: int = Field(gt=1)
    log_loss_without: float = Field(ge=0, description="with a temperature alone")
    log_loss_with: float = Field(ge=0, description="with a temperature and class biases")
    least_fall: float = Field(description="one-sided 95 % bound of the mean fall of the log loss, paired t-test")
    kept: bool
    biases: tuple[float, ...] = Field(
        description="added to the bias of the last dense layer, one a class, sum 0; empty where not kept"
    )


class AveragedViewsRecord(StrictModel):
    """Calibration and scores of one precision with logits averaged over several views of an image."""

    views: int = Field(gt=1, description="number of views; see core.images.tta_views")
    calibration: Calibration = Field(description="fitted on the averaged logits of the holdout")
    test_accuracy: ConfidenceInterval
    test_log_loss: float = Field(ge=0)
    test_ece: Probability


class ParityRecord(StrictModel):
    """Agreement of the exported graph with the network, on `images` test images."""

    images: int = Field(gt=0)
    max_abs_logit_difference: float = Field(ge=0)
    argmax_mismatches: int = Field(ge=0)


class GradientRecord(StrictModel):
    """Agreement of gradient.onnx with autograd in float64, on `images` validation images, or training images.

    The error of an image is ||g - g64|| / ||g64||, the larger one for gradients of pixels and features. Networks of
    ReLU and max-pooling are piecewise linear. If an image lies on the border of two linear regions within the rounding
    of float32, the graph may use the other region. Such images are compared with g64 of the region that the graph uses,
    and are counted in `other_pieces`.
    """

    images: int = Field(gt=0)
    max_relative_error: float = Field(ge=0)
    other_pieces: int = Field(ge=0)
    max_other_piece_error: float = Field(
        ge=0, description="largest error of these images against g64 of the region that float64 uses"
    )
    max_logit_difference: float = Field(
        ge=0, description="difference from model.onnx, relative to the largest logit above 1"
    )
    opset: int = Field(gt=0, description="ONNX opset that the graph needs")


class QuantizationRecord(StrictModel):
    """The int8 variant of a version: method, speed, accuracy and decision.

    `published` is true if model.int8.onnx is part of the version. That needs a speedup of at least 1.5 over the float32
    graph on the machine that made it, and non-inferiority on the holdout (lower end of the 95 % interval of the
    difference in accuracy, int8 minus float32, above -0.5 points).
    """

    method: str
    calibration_images: int = Field(gt=0, description="training images that set the ranges of the activations")
    speedup_batch_1: float = Field(gt=0, description="time of the float32 graph divided by that of int8, one thread")
    speedup_batch_32: float = Field(gt=0)
    holdout_difference: ConfidenceInterval = Field(description="accuracy on the holdout, int8 minus float32")
    published: bool
    verdict: str


class Bf16Record(StrictModel):
    """model.onnx run in bf16 on the holdout, with the temperature and thresholds of fp32.

    `accepted` is true if two conditions hold. All images get the same class as in fp32, or the accuracy is not inferior
    (the lower end of the 95 % interval of bf16 minus fp32 is above -0.5 points). The coverage of the prediction sets is
    within its band. The service does not run a version in bf16 if it was not accepted.
    """

    provider: ProviderName
    versions: str = Field(description="package versions of the execution provider")
    images: int = Field(gt=0, description="number of holdout images")
    equal_classes: Probability = Field(description="share of the images that get the same class as in fp32")
    max_difference: Probability = Field(description="largest difference of a probability from fp32")
    holdout_difference: ConfidenceInterval = Field(description="accuracy on the holdout, bf16 minus fp32")
    coverage: Probability = Field(description="share of the prediction sets that contain the true class")
    coverage_band: tuple[Probability, Probability] = Field(description="95 % band of this share if the target holds")
    accepted: bool
    verdict: str
