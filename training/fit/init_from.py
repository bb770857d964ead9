"""Fine-tuning (`init_from`): start from the weights of a version, with a new last layer if the classes differ.

The version's normalization is kept, because its weights were trained on pixels normalized that way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.errors import ConfigurationError
from core.recipes import RecipeConfig
from core.recipes.init_from import check_no_leakage, require_same_network
from core.repository.manifest import Manifest
from core.repository.repository import ModelRepository
from training.data.split_dataset import Images
from training.export.weights import read_weights
from training.networks import Classifier


@dataclass(frozen=True)
class Start:
    """The version that a run is initialized from, with its tensors by torch name."""

    manifest: Manifest
    weights: Mapping[str, Tensor]


def read_start(config: RecipeConfig, images: Images, repository: ModelRepository) -> Start | None:
    """Load the version in `init_from` and verify its files; None if `init_from` is not set.

    Raises:
        UnknownFamilyError, UnknownVersionError, CorruptVersionError: the version does not exist or is damaged.
        ConfigurationError: its network differs from the recipe's (the message lists the differences), or it was trained
            on the validation images of this run.
    """
    if config.init_from is None:
        return None
    family, version = repository.resolve(config.init_from)
    manifest = repository.verify(family, version)
    require_same_network(config, manifest)
    same_images = manifest.data.digest == images.dataset.digest
    check_no_leakage(manifest, config, "start", same_images=same_images)
    return Start(manifest, read_weights(repository.folder(family, version)))


def initial_weights(classifier: Classifier, start: Start, class_names: tuple[str, ...]) -> dict[str, Tensor]:
    """The version's weights for `classifier`, without the last layer if the class names differ.

    Raises:
        ConfigurationError: a weight has another shape, because the version takes images of another size.
    """
    weights = dict(start.weights)
    if class_names != start.manifest.class_names:
        last_layer = [name for name, module in classifier.named_modules() if isinstance(module, nn.Linear)][-1]
        weights = {name: tensor for name, tensor in weights.items() if not name.startswith(f"{last_layer}.")}
    state = classifier.state_dict()
    unfit = [name for name, tensor in weights.items() if name not in state or state[name].shape != tensor.shape]
    if unfit:
        spec = start.manifest.input
        raise ConfigurationError(
            f"cannot start from {start.manifest.reference}: {', '.join(unfit)} do not fit this network. That version "
            f"takes images of {spec.width}x{spec.height} pixels: set image_size to that size"
        )
    return weights


def load_initial(classifier: Classifier, weights: Mapping[str, Tensor]) -> None:
    """Copy `weights`, by the names of the state dict, into `classifier`; the other weights stay unchanged."""
    with torch.no_grad():
        state = classifier.state_dict()
        for name, tensor in weights.items():
            state[name].copy_(tensor)
