"""Checks of a version that a run builds on: its network, its image geometry, and the images it was trained on."""

from __future__ import annotations

from pydantic import ValidationError

from core.errors import ConfigurationError, explain
from core.recipes import RecipeConfig
from core.repository.manifest import Geometry, Manifest

DEFAULT_GEOMETRY: Geometry = "crop"
"""Default of a run without `geometry` and `init_from`."""
PRETRAINED_WEIGHTS = "network.weights"
"""Setting of a pretrained network that has the digest of its weights."""


def geometry_of(config: RecipeConfig, start: Manifest | None) -> Geometry:
    """Fit of images into the network input, from `config` or the version that the run starts from."""
    return config.geometry or (DEFAULT_GEOMETRY if start is None else start.input.geometry)


def require_same_network(config: RecipeConfig, start: Manifest) -> None:
    """Check that the weights of `start` fit the network of `config`.

    Raises:
        ConfigurationError: the networks differ; the message lists the differences.
    """
    try:
        theirs = RecipeConfig.model_validate(start.config)
    except ValidationError as error:
        raise ConfigurationError(
            f"cannot start from {start.reference}: its configuration is not valid in this release "
            f"({explain(error, at_most=1)})"
        ) from error
    differences = {key: both for key, both in config.differences(theirs).items() if key.startswith("network.")}
    differences.pop(PRETRAINED_WEIGHTS, None)  # the run starts from those of the version
    if differences:
        listed = "; ".join(f"{key} is {there!r} there, {here!r} here" for key, (here, there) in differences.items())
        raise ConfigurationError(
            f"cannot start from {start.reference}, which has another network: {listed}. Use its recipe, "
            f"{start.recipe}, or change these settings"
        )


def check_no_leakage(manifest: Manifest, config: RecipeConfig, role: str, *, same_images: bool) -> None:
    """Check that the version that a run builds on was not trained on the run's validation images.

    Args:
        manifest: of the version.
        config: of the run.
        role: of the version, as a verb for the error message, such as `teach`.
        same_images: true if the run uses the data set that the version was trained on.

    Raises:
        ConfigurationError: the version was trained on them.
    """
    if same_images and "validation" in manifest.data.trained_on and not config.include_validation:
        raise ConfigurationError(
            f"{manifest.reference} cannot {role} this run, because it was trained on the validation images that "
            "evaluate the run: name a version that has not seen them, or set include_validation=true for a final run"
        )
