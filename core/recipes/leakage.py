"""Leakage check: a teacher or initial version must not have seen the images that evaluate the run."""

from __future__ import annotations

from core.errors import ConfigurationError
from core.recipes import RecipeConfig
from core.repository.manifest import Manifest


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
            f"{manifest.reference} cannot {role} this run: it was trained on the validation images that evaluate this "
            "run. Name a version that has not seen them, or set include_validation=true for a final run"
        )
