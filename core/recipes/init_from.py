"""The version that a run starts from: whether its network fits, and what the run takes over from it."""

from __future__ import annotations

from pydantic import ValidationError

from core.errors import ConfigurationError, explain
from core.recipes import RecipeConfig
from core.repository.manifest import Geometry, Manifest

DEFAULT_GEOMETRY: Geometry = "crop"
"""Of a run that neither states one nor starts from a version."""


def geometry_of(config: RecipeConfig, start: Manifest | None) -> Geometry:
    """The fit of images into the network's input: as `config` states, or as of the version it starts from."""
    return config.geometry or (DEFAULT_GEOMETRY if start is None else start.input.geometry)


def require_same_network(config: RecipeConfig, start: Manifest) -> None:
    """Check that the weights of `start` fit the network of `config`.

    Raises:
        ConfigurationError: it has another network; the message lists the differences.
    """
    try:
        theirs = RecipeConfig.model_validate(start.config)
    except ValidationError as error:
        raise ConfigurationError(
            f"cannot start from {start.reference}: its configuration does not read here ({explain(error, at_most=1)})"
        ) from error
    differences = {key: both for key, both in config.differences(theirs).items() if key.startswith("network.")}
    if differences:
        listed = "; ".join(f"{key} is {there!r} there, {here!r} here" for key, (here, there) in differences.items())
        raise ConfigurationError(
            f"cannot start from {start.reference}, whose network is another: {listed}. Use its recipe, "
            f"{start.recipe}, or set these the same"
        )
