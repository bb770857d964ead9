"""Attribution methods, each of which explains the target's logit f at the input pixels x in [0, 1].

H, W: height and width, C: channels, S: steps or samples.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from core.records.explanations import MethodName as MethodName
from service.engine.arrays import Floats, Pixels
from service.saliency.baselines import Baseline
from service.saliency.runs import Runs

Doubles = npt.NDArray[np.float64]
Window = tuple[slice, slice]

GRADIENT_EVALUATIONS = 3
"""Number of model evaluations that one gradient counts as."""


@dataclass(frozen=True)
class Parameters:
    """Parameters of all methods; each method uses those named by its entry in `METHODS`.

    Attributes:
        steps: quadrature points of integrated gradients.
        samples: noisy copies of SmoothGrad.
        noise: standard deviation of that noise, in units of the pixel range.
        seed: of that noise.
        window: side of the occlusion window in pixels.
        stride: of the windows in pixels.
        baseline: see `baseline_image`.
    """

    steps: int
    samples: int
    noise: float
    seed: int
    window: int
    stride: int
    baseline: Baseline


@dataclass(frozen=True)
class Subject:
    """The explained prediction.

    Attributes:
        image_HWC: uint8, the model's input.
        baseline_HWC: uint8.
        target: the class.
        logits_K: the model's output.
    """

    image_HWC: Pixels
    baseline_HWC: Pixels
    target: int
    logits_K: Floats

    def pixels(self) -> Floats:
        """The image in [0, 1], float32 [H, W, 3]."""
        return self.image_HWC.astype(np.float32) / np.float32(255)

    def weights(self) -> Floats:
        """1 for the target, 0 for every other class, float32 [K]."""
        return np.asarray(np.eye(len(self.logits_K))[self.target], np.float32)


@dataclass(frozen=True)
class Completeness:
    """Completeness check of integrated gradients, which should sum to f(x) - f(baseline)."""

    attributed: float
    expected: float

    @property
    def gap(self) -> float:
        """Absolute difference, in units of the logit."""
        return abs(self.attributed - self.expected)

    @property
    def relative_gap(self) -> float | None:
        """Gap divided by |expected|; None if expected is 0."""
        return self.gap / abs(self.expected) if self.expected else None


@dataclass(frozen=True)
class Attribution:
    """Attribution map, float64 [H, W].

    Attributes:
        completeness: only for integrated gradients.
        kept_share: only for SmoothGrad; share of the noisy copies for which the model predicts the same class as for
            the image.
    """

    map_HW: Doubles
    completeness: Completeness | None = None
    kept_share: float | None = None


Explain = Callable[[Runs, Subject, Parameters], Awaitable[Attribution]]


@dataclass(frozen=True)
class Method:
    """A method and the properties of its maps.

    Attributes:
        explain: the implementation.
        signed: negative values oppose the target.
        parameters: names of the fields of `Parameters` that it uses.
        evaluations: number of model evaluations for an image of a height and width; see `count_evaluations`.
        needs_features: needs a model with feature maps.
        needs_gradient: needs a gradient graph.
    """

    explain: Explain
    signed: bool
    evaluations: Callable[[Parameters, int, int], int]
    parameters: tuple[str, ...] = ()
    needs_features: bool = False
    needs_gradient: bool = True


async def saliency(runs: Runs, subject: Subject, _: Parameters) -> Attribution:
    """Maximum of |df/dx| over a pixel's channels (Simonyan et al. 2013)."""
    return Attribution(np.abs(await _gradient(runs, subject)).max(axis=-1))


async def input_x_gradient(runs: Runs, subject: Subject, _: Parameters) -> Attribution:
    """X * df/dx, summed over channels (Shrikumar et al. 2016)."""
    return Attribution((subject.pixels() * await _gradient(runs, subject)).sum(axis=-1))


async def smoothgrad(runs: Runs, subject: Subject, parameters: Parameters) -> Attribution:
    """`saliency` of the mean gradient over noisy copies of the image (Smilkov et al. 2017).

    The map explains the prediction only if most copies keep it; `kept_share` is their share.
    """
    random = np.random.default_rng(parameters.seed)
    pixels_HWC = subject.pixels()

    def noisy(part: slice) -> Floats:
        noise_SHWC = random.standard_normal((part.stop - part.start, *pixels_HWC.shape), np.float32)
        return pixels_HWC + np.float32(parameters.noise) * noise_SHWC

    total_HWC, kept, predicted = np.zeros(pixels_HWC.shape), 0, int(subject.logits_K.argmax())
    runs_of_copies = runs.gradient_and_logits(parameters.samples, noisy, subject.weights())
    async for _, (gradient_SHWC, logits_SK) in runs_of_copies:
        total_HWC += gradient_SHWC.sum(axis=0, dtype=np.float64)
        kept += int(np.count_nonzero(logits_SK.argmax(axis=1) == predicted))
    map_HW = np.abs(total_HWC / parameters.samples).max(axis=-1)
    return Attribution(map_HW, kept_share=kept / parameters.samples)


async def integrated_gradients(runs: Runs, subject: Subject, parameters: Parameters) -> Attribution:
    """(x - baseline) * integral of df/dx on the straight path from baseline to x, summed over channels.

    Sundararajan et al. 2017, with Gauss-Legendre quadrature.
    """
    nodes_S, weights_S = _quadrature(parameters.steps)
    start_HWC = subject.baseline_HWC.astype(np.float32) / np.float32(255)
    path_HWC = subject.pixels() - start_HWC

    def path_points(part: slice) -> Floats:
        return start_HWC + nodes_S[part, None, None, None].astype(np.float32) * path_HWC

    integral_HWC = np.zeros(path_HWC.shape)
    async for part, gradient_SHWC in runs.gradient(parameters.steps, path_points, subject.weights()):
        integral_HWC += np.tensordot(weights_S[part], gradient_SHWC, 1)
    async for _, logits_NK in runs.logits(1, lambda _: subject.baseline_HWC[np.newaxis]):
        expected = float(subject.logits_K[subject.target]) - float(logits_NK[0, subject.target])
    map_HW = (path_HWC * integral_HWC).sum(axis=-1)
    return Attribution(map_HW, Completeness(float(map_HW.sum()), expected))


async def grad_cam(runs: Runs, subject: Subject, _: Parameters) -> Attribution:
    """ReLU of the last feature maps weighted by their mean gradients (Selvaraju et al. 2017).

    Upsampled bilinearly to the image size.
    """
    features_Chw, gradient_Chw = await runs.features(subject.pixels(), subject.weights())
    weights_C = gradient_Chw.mean(axis=(1, 2), dtype=np.float64)
    map_hw = np.maximum(np.tensordot(weights_C, features_Chw, 1), 0)
    height, width, _channels = subject.image_HWC.shape
    return Attribution(_bilinear(map_hw.shape[0], height) @ map_hw @ _bilinear(map_hw.shape[1], width).T)


async def occlusion(runs: Runs, subject: Subject, parameters: Parameters) -> Attribution:
    """Drop of the target's logit when a window is replaced by the baseline (Zeiler and Fergus 2014).

    A pixel's value is the mean over the windows that cover it.
    """
    height, width, _ = subject.image_HWC.shape
    covering = windows(height, width, parameters.window, parameters.stride)

    def occluded(part: slice) -> Pixels:
        images_NHWC = np.repeat(subject.image_HWC[np.newaxis], part.stop - part.start, axis=0)
        for image_HWC, window in zip(images_NHWC, covering[part], strict=True):
            image_HWC[window] = subject.baseline_HWC[window]
        return images_NHWC

    total_HW, count_HW = np.zeros((height, width)), np.zeros((height, width))
    async for part, logits_NK in runs.logits(len(covering), occluded):
        drop_N = float(subject.logits_K[subject.target]) - logits_NK[:, subject.target].astype(np.float64)
        for window, drop in zip(covering[part], drop_N, strict=True):
            total_HW[window] += drop
            count_HW[window] += 1
    return Attribution(total_HW / count_HW)


def _one_gradient(_: Parameters, _height: int, _width: int) -> int:
    return GRADIENT_EVALUATIONS


METHODS: Mapping[MethodName, Method] = MappingProxyType(
    {
        "saliency": Method(saliency, signed=False, evaluations=_one_gradient),
        "input_x_gradient": Method(input_x_gradient, signed=True, evaluations=_one_gradient),
        "smoothgrad": Method(
            smoothgrad,
            signed=False,
            evaluations=lambda parameters, *_: GRADIENT_EVALUATIONS * parameters.samples,
            parameters=("samples", "noise", "seed"),
        ),
        "integrated_gradients": Method(
            integrated_gradients,
            signed=True,
            evaluations=lambda parameters, *_: GRADIENT_EVALUATIONS * parameters.steps + 1,
            parameters=("steps", "baseline"),
        ),
        "grad_cam": Method(grad_cam, signed=False, evaluations=_one_gradient, needs_features=True),
        "occlusion": Method(
            occlusion,
            signed=True,
            evaluations=lambda parameters, height, width: count_windows(
                height, width, parameters.window, parameters.stride
            ),
            parameters=("window", "stride", "baseline"),
            needs_gradient=False,
        ),
    }
)


def count_evaluations(methods: Iterable[MethodName], parameters: Parameters, height: int, width: int) -> int:
    """Number of model evaluations to predict one image of this size and explain it by all given methods.

    A gradient counts as GRADIENT_EVALUATIONS, because it takes about three times as long as an evaluation.
    """
    return 1 + sum(METHODS[method].evaluations(parameters, height, width) for method in methods)


async def _gradient(runs: Runs, subject: Subject) -> Doubles:
    async for _, gradient_NHWC in runs.gradient(1, lambda _: subject.pixels()[np.newaxis], subject.weights()):
        gradient_HWC = gradient_NHWC[0].astype(np.float64)
    return np.asarray(gradient_HWC)


@cache
def _quadrature(steps: int) -> tuple[Doubles, Doubles]:
    """Nodes and weights of Gauss-Legendre quadrature on [0, 1]."""
    nodes_S, weights_S = np.polynomial.legendre.leggauss(steps)
    return (nodes_S + 1) / 2, weights_S / 2


def _bilinear(small: int, large: int) -> Doubles:
    """Weights [large, small] of linear interpolation between pixel centers, with edge replication."""
    centers = np.clip((np.arange(large) + 0.5) * small / large - 0.5, 0, small - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(np.subtract.outer(centers, np.arange(small)))))


def windows(height: int, width: int, side: int, stride: int) -> list[Window]:
    """Square windows that cover the image, row by row, clipped at the border."""
    return [
        (slice(top, top + side), slice(left, left + side))
        for top in _starts(height, side, stride)
        for left in _starts(width, side, stride)
    ]


def count_windows(height: int, width: int, side: int, stride: int) -> int:
    """Number of `windows`."""
    return len(_starts(height, side, stride)) * len(_starts(width, side, stride))


def _starts(size: int, side: int, stride: int) -> range:
    return range(0, (math.ceil(max(size - side, 0) / stride) + 1) * stride, stride)
