"""One small version of each family, trained on made-up images and published with everything that a version has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.repository.manifest import Manifest
from core.repository.repository import ModelRepository
from tests.support.training_runs import CPU, RecordingReporter, small_images, small_recipe, train_version
from training.data.split_dataset import Images


@dataclass(frozen=True)
class PublishedPair:
    """Both versions, the images they were made from, and the repository that holds them."""

    repository: ModelRepository
    images: Images
    mlp: Manifest
    cnn: Manifest

    def folder(self, manifest: Manifest) -> Path:
        return self.repository.folder(manifest.family, manifest.version)


def publish_pair(home: Path) -> PublishedPair:
    """Train and publish both into `home`; no champion is named."""
    images = small_images()
    repository = ModelRepository(home_models=home / "models", shipped=home / "shipped")
    manifests = {
        kind: train_version(
            small_recipe(kind, epochs=2), images, repository, kind, home / "runs" / kind,
            reporter=RecordingReporter(), threads=1, device=CPU, resume=False,
        )
        for kind in ("mlp", "cnn")
    }  # fmt: skip
    return PublishedPair(repository, images, manifests["mlp"], manifests["cnn"])
