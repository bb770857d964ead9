"""Attribution methods by captum for PyTorch networks: maps that explain the logit of a class.

The settings equal the defaults of POST /saliency, so that the evaluation is valid for the service.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from captum.attr import (
    InputXGradient,
    IntegratedGradients,
    LayerAttribution,
    LayerGradCam,
    NoiseTunnel,
    Occlusion,
    Saliency,
)
from torch import Tensor, nn

from core.errors import ConfigurationError, shortened
from core.records.explanations import SMOOTHGRAD_NOISE, MethodName
from training.networks import Classifier
from training.networks.layers import ACTIVATIONS

Maps = npt.NDArray[np.float64]
Explain = Callable[[Classifier, Tensor, Tensor], Tensor]
"""(classifier, pixels [N, H, W, 3] in [0, 1], target [N]) -> maps [N, H, W]."""

STEPS = 32
"""Steps of integrated gradients."""
SAMPLES = 16
"""Noise samples of SmoothGrad."""
_WINDOWS_PER_SIDE = 8
SIGNED: frozenset[MethodName] = frozenset({"input_x_gradient", "integrated_gradients", "occlusion"})
"""Methods with signed values: negative values are evidence against the class."""
_BATCH = 50
_FORWARD = 200
"""Batch size of occlusion, including the occluded copies of each image."""


def attribute(
    method: MethodName,
    classifier: Classifier,
    pixels_NHWC: npt.NDArray[np.float32],
    target_N: npt.NDArray[np.int64],
    *,
    seed: int = 0,
) -> Maps:
    """Compute attribution maps of the target logit, float64 [N, H, W].

    Args:
        method: one of `applicable_methods`.
        classifier: network in evaluation mode on the CPU.
        pixels_NHWC: images in [0, 1].
        target_N: explained class of each image.
        seed: seed of the noise of SmoothGrad.
    """
    maps = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for start in range(0, len(pixels_NHWC), _BATCH):
            block = slice(start, start + _BATCH)
            pixels = torch.from_numpy(pixels_NHWC[block]).requires_grad_()
            maps.append(_METHODS[method](classifier, pixels, torch.from_numpy(target_N[block])).detach().double())
    return np.asarray(torch.cat(maps).numpy())


def applicable_methods(classifier: Classifier) -> tuple[MethodName, ...]:
    """Methods that the network supports. Grad-CAM requires feature maps."""
    return tuple(name for name in _METHODS if name != "grad_cam" or has_feature_maps(classifier))


def has_feature_maps(classifier: Classifier) -> bool:
    """Return whether the network has convolutional feature maps."""
    return any(isinstance(layer, nn.Conv2d) for layer in classifier.modules())


def target_class(name: str, class_names: tuple[str, ...]) -> int:
    """Index of the class with this name.

    Raises:
        ConfigurationError: the class does not exist; the message lists the classes.
    """
    if name not in class_names:
        raise ConfigurationError(f"unknown class {name!r}: choose one of {shortened(class_names)}")
    return class_names.index(name)


def is_flat(map_HW: Maps) -> bool:
    """Return whether the range of a map is within rounding errors."""
    span = float(map_HW.max() - map_HW.min())
    return span <= max(1e-12, 1e-6 * float(np.abs(map_HW).max()))


def _saliency(classifier: Classifier, pixels: Tensor, target: Tensor) -> Tensor:
    return _tensor(Saliency(classifier).attribute(pixels, target=target)).amax(-1)


def _input_x_gradient(classifier: Classifier, pixels: Tensor, target: Tensor) -> Tensor:
    return _tensor(InputXGradient(classifier).attribute(pixels, target=target)).sum(-1)


def _smoothgrad(classifier: Classifier, pixels: Tensor, target: Tensor) -> Tensor:
    tunnel = NoiseTunnel(Saliency(classifier))
    mean = tunnel.attribute(
        pixels,
        nt_type="smoothgrad",
        nt_samples=SAMPLES,
        nt_samples_batch_size=1,
        stdevs=SMOOTHGRAD_NOISE,
        target=target,
        abs=False,
    )
    return _tensor(mean).abs().amax(-1)


def _integrated_gradients(classifier: Classifier, pixels: Tensor, target: Tensor) -> Tensor:
    method = IntegratedGradients(classifier)
    return _tensor(
        method.attribute(pixels, baselines=0.0, target=target, n_steps=STEPS, internal_batch_size=len(pixels))
    ).sum(-1)


def _grad_cam(classifier: Classifier, pixels: Tensor, target: Tensor) -> Tensor:
    # The last feature map, as in gradient.onnx.
    coarse = LayerGradCam(classifier, feature_layers(classifier, pixels[:1])[-1][1]).attribute(
        pixels, target=target, relu_attributions=True
    )
    height, width = pixels.shape[1:3]
    return _tensor(LayerAttribution.interpolate(coarse, (height, width), interpolate_mode="bilinear"))[:, 0]


def _occlusion(classifier: Classifier, pixels: Tensor, target: Tensor) -> Tensor:
    window = max(1, max(pixels.shape[1:3]) // _WINDOWS_PER_SIDE)
    stride = max(1, window // 2)
    with torch.no_grad():
        drops = Occlusion(classifier).attribute(
            pixels, (window, window, 3), strides=(stride, stride, 3), baselines=0.0, target=target,
            perturbations_per_eval=max(1, _FORWARD // len(pixels)),
        )  # fmt: skip
    return _tensor(drops).mean(-1)


def feature_layers(classifier: Classifier, pixels: Tensor) -> list[tuple[str, nn.Module]]:
    """Name and module of each activation layer with a feature map [N, C, h, w], in the order of a forward pass."""
    kinds = tuple(ACTIVATIONS.values())
    ran = modules_in_order(classifier, pixels, lambda module: isinstance(module, kinds))
    return [(name, module) for name, module, output in ran if output.dim() == 4]


def modules_in_order(
    classifier: Classifier, pixels: Tensor, wanted: Callable[[nn.Module], bool]
) -> list[tuple[str, nn.Module, Tensor]]:
    """Name, module and output of each wanted module, in the order of a forward pass."""
    names = {module: name for name, module in classifier.named_modules() if wanted(module)}
    ran: list[tuple[str, nn.Module, Tensor]] = []

    def record(module: nn.Module, _inputs: Any, output: Tensor) -> None:
        ran.append((names[module], module, output))

    hooks = [module.register_forward_hook(record) for module in names]
    try:
        with torch.no_grad():
            classifier(pixels)
    finally:
        for hook in hooks:
            hook.remove()
    return ran


def _tensor(attribution: Any) -> Tensor:
    """Add the type to the untyped return value of captum."""
    return cast("Tensor", attribution)


_METHODS: dict[MethodName, Explain] = {
    "saliency": _saliency,
    "input_x_gradient": _input_x_gradient,
    "smoothgrad": _smoothgrad,
    "integrated_gradients": _integrated_gradients,
    "grad_cam": _grad_cam,
    "occlusion": _occlusion,
}
