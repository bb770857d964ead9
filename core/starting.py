"""Whether a run may start from a version: asked before a job is recorded, and again where it runs."""

from __future__ import annotations

from pydantic import ValidationError

from core.errors import ConfigurationError, explain
from core.manifest import Manifest
from core.recipes import RecipeConfig


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
