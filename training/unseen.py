"""What a version has seen, it passes on: to those that learn from it, and to those that start from its weights."""

from __future__ import annotations

from core.errors import ConfigurationError
from core.manifest import Manifest
from core.recipes import RecipeConfig
from training.images import Images


def require_unseen_validation(manifest: Manifest, config: RecipeConfig, images: Images, role: str) -> None:
    """Check that the images by which a run is judged were not trained on by the version that it builds on.

    Args:
        manifest: of that version.
        config: of the run.
        images: of the run.
        role: what the version would do for the run, such as `teach`.

    Raises:
        ConfigurationError: they were.
    """
    same_images = manifest.data.digest == images.dataset.digest
    if same_images and "validation" in manifest.data.trained_on and not config.include_validation:
        raise ConfigurationError(
            f"{manifest.reference} cannot {role} this run: it was trained on the validation images, which this run is "
            "to be judged by. Name a version that has not seen them, or set include_validation=true for a final run"
        )
