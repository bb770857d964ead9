"""Options of the client's explanation methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, TypedDict

Explanations: TypeAlias = str | Sequence[str]
"""One or more of saliency, input_x_gradient, smoothgrad, integrated_gradients, grad_cam and occlusion."""

Layout: TypeAlias = Literal["side_by_side", "blend", "map"]


class ExplanationOptions(TypedDict, total=False):
    """Parameters of `POST /saliency`; omitted ones have the service's defaults.

    Attributes:
        target: class to explain, by label or index; by default the predicted class.
        steps: number of points on the path of integrated gradients.
        samples: number of noisy copies for SmoothGrad.
        noise: standard deviation of the SmoothGrad noise, for pixels in [0, 1].
        seed: seed of the SmoothGrad noise.
        window: side of the occluding square, in pixels of the model's input.
        stride: distance between two occluding squares, in pixels.
        baseline: start of the path of integrated gradients and fill of the occluding square.
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
    """Return the methods as a query parameter."""
    return methods if isinstance(methods, str) else ",".join(methods)
