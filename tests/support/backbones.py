"""Weight files of EfficientNet-Lite0 with random numbers, in the formats that users have."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import save_file

from core.recipes import BackboneNetwork
from training.networks import build_classifier, initialize
from training.networks.backbone_weights import PACKAGE_NAMES, TIMM_NAMES, source_names
from training.networks.efficientnet import MEAN, STD

Scheme = Literal["package", "timm"]


def backbone_tensors(scheme: Scheme = "package") -> dict[str, torch.Tensor]:
    """A state dict in the names of `scheme`, with random weights and the classes of ImageNet."""
    classifier = build_classifier(BackboneNetwork(), height=32, width=32, classes=1000, mean=MEAN, std=STD)
    initialize(classifier, torch.Generator().manual_seed(0))
    own = classifier.network.state_dict()
    names = source_names(PACKAGE_NAMES if scheme == "package" else TIMM_NAMES)
    tensors = {source: own[name].contiguous() for name, source in names}
    last = "_fc" if scheme == "package" else "classifier"
    return tensors | {f"{last}.weight": own["head.weight"], f"{last}.bias": own["head.bias"]}


def write_backbone(path: Path, scheme: Scheme = "package") -> Path:
    """Write random weights as safetensors or, with another suffix, as a torch file."""
    if path.suffix == ".safetensors":
        save_file(backbone_tensors(scheme), path)
    else:
        torch.save(backbone_tensors(scheme), path)
    return path
