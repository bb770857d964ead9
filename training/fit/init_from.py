"""Starting from a version: its weights, its normalization, a new last layer where it is to tell other classes apart.

The normalization is kept, not measured anew: the weights were learnt on pixels scaled by it, and the same picture must
reach them as the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.errors import ConfigurationError
from core.recipes import RecipeConfig
from core.recipes.init_from import require_same_network
from core.recipes.leakage import check_no_leakage
from core.repository.manifest import InputSpec, Manifest
from core.repository.repository import ModelRepository
from training.data.split_dataset import Images
from training.export.weights import read_weights
from training.networks import Classifier


@dataclass(frozen=True)
class Start:
    """A version that a run starts from."""

    manifest: Manifest
    weights: Mapping[str, Tensor]
    """By their torch names."""

    @property
    def input(self) -> InputSpec:
        """Size and normalization of the images that the weights know."""
        return self.manifest.input


def read_start(config: RecipeConfig, images: Images, repository: ModelRepository) -> Start | None:
    """The version that `config` says to start from, its files checked; None where it says none.

    Raises:
        UnknownFamilyError, UnknownVersionError, CorruptVersionError: there is no such version, or it is damaged.
        ConfigurationError: it has another network than the recipe; the message lists the differences. Or it was trained
            on the validation images, by which this run is judged.
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
    """What of the version's weights `classifier` begins with: all, but for the last layer where its classes differ.

    Raises:
        ConfigurationError: the version takes images of another size.
    """
    taken = dict(start.weights)
    if class_names != start.manifest.class_names:
        for name in _last_layer(classifier):
            taken.pop(name, None)
    wanted = classifier.state_dict()
    unfit = [name for name, tensor in taken.items() if name not in wanted or wanted[name].shape != tensor.shape]
    if unfit:
        spec = start.input
        raise ConfigurationError(
            f"cannot start from {start.manifest.reference}: {', '.join(unfit)} do not fit this network. That version "
            f"takes images of {spec.width}x{spec.height} pixels; give the same size with image_size"
        )
    return taken


def load_initial(classifier: Classifier, weights: Mapping[str, Tensor]) -> None:
    """Put `weights`, named as in the state of `classifier`, over those that it has, in place."""
    with torch.no_grad():
        state = classifier.state_dict()
        for name, tensor in weights.items():
            state[name].copy_(tensor)


def _last_layer(classifier: Classifier) -> list[str]:
    """Names of the weights of the last dense layer, which tells the classes apart."""
    name, layer = [pair for pair in classifier.named_modules() if isinstance(pair[1], nn.Linear)][-1]
    return [f"{name}.{parameter}" for parameter, _ in layer.named_parameters()]
