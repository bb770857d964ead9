"""What `duet.Client` can be told about explanations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, TypedDict

Explanations: TypeAlias = str | Sequence[str]
"""One or more of saliency, input_x_gradient, smoothgrad, integrated_gradients, grad_cam and occlusion."""

Layout: TypeAlias = Literal["side_by_side", "blend", "map"]


class ExplanationOptions(TypedDict, total=False):
    """As of POST /saliency, whose defaults hold where one is left out.

    Attributes:
        target: the class to explain, by label or index; by default the one that the model holds most probable.
        steps: points on the path of integrated gradients.
        samples: noisy copies of SmoothGrad.
        noise: standard deviation of that noise, of pixels in [0, 1].
        seed: of that noise.
        window: side of the square that occlusion covers, in pixels of the model's input.
        stride: pixels between two such squares.
        baseline: what integrated gradients begin with, and occlusion covers with.
    """

    target: str | int
    steps: int
    samples: int
    noise: float
    seed: int
    window: int
    stride: int
    baseline: Literal["black", "white", "mean", "blur"]


def joined(methods: Explanations) -> str:
    """As the service takes them."""
    return methods if isinstance(methods, str) else ",".join(methods)
