"""What a version has seen, it passes on: to those that learn from it, and to those that start from its weights."""

from __future__ import annotations

from core.errors import ConfigurationError
from core.recipes import RecipeConfig
from core.repository.manifest import Manifest


def check_no_leakage(manifest: Manifest, config: RecipeConfig, role: str, *, same_images: bool) -> None:
    """Check that the images by which a run is judged were not trained on by the version that it builds on.

    Args:
        manifest: of that version.
        config: of the run.
        role: what the version would do for the run, such as `teach`.
        same_images: whether the run has the data set that the version was trained on.

    Raises:
        ConfigurationError: they were.
    """
    if same_images and "validation" in manifest.data.trained_on and not config.include_validation:
        raise ConfigurationError(
            f"{manifest.reference} cannot {role} this run: it was trained on the validation images, which this run is "
            "to be judged by. Name a version that has not seen them, or set include_validation=true for a final run"
        )
