"""Republishing (`duet export`): a new version from the weights of an existing one, without training.

Versions never change, so this is how existing weights get files and scores added in a later release.
"""

from __future__ import annotations

import json

from core.errors import DataError
from core.jobs.run_folder import HISTORY_NAME
from core.recipes import RecipeConfig
from core.repository.manifest import Manifest
from core.repository.repository import ModelRepository
from training.data.split_dataset import Images
from training.export.weights import stored_classifier
from training.publish.publish import Origin, publish_version
from training.run.checkpoint import EpochRecord
from training.run.environment import source_digest
from training.run.reporter import Reporter


def republish(
    repository: ModelRepository, family: str, version: int, images: Images, *, reporter: Reporter
) -> Manifest:
    """Export, evaluate and publish the weights of `family`@`version` as the next version of the family.

    Class biases are fitted unless the weights already include them.

    Raises:
        CorruptVersionError: files of the old version do not match its manifest.
        DataError: `images` differ from the data set of the old version.
        ExportError, PublishError: raised by `publish_version`.
    """
    manifest = repository.verify(family, version)
    folder = repository.folder(family, version)
    _require_same_images(manifest, images)
    classifier = stored_classifier(manifest, folder)
    lines = (folder / HISTORY_NAME).read_text(encoding="utf-8").splitlines()
    origin = Origin(
        config=RecipeConfig.model_validate(manifest.config),
        history=tuple(EpochRecord(**json.loads(line)) for line in lines),
        environment=manifest.environment,
        source_digest=source_digest(),
        derived_from=manifest.reference,
        geometry=manifest.input.geometry,
        teachers=manifest.teachers,
        teacher_seconds=manifest.cost.teacher_seconds,
        # Included biases were fitted on the same holdout, so cross-validation cannot assess them again.
        class_biases=manifest.class_biases if manifest.class_biases and manifest.class_biases.kept else None,
    )
    return publish_version(classifier, origin, images, repository, family, reporter=reporter)


def _require_same_images(manifest: Manifest, images: Images) -> None:
    recorded = (manifest.data.digest, manifest.data.split_digest)
    loaded = (images.dataset.digest, images.split.digest)
    if recorded != loaded:
        raise DataError(
            f"{manifest.reference} was trained on {manifest.data.name} {recorded[0][:12]} (split {recorded[1][:12]}), "
            f"but these images are {images.dataset.name} {loaded[0][:12]} (split {loaded[1][:12]}): set --data-dir to "
            "the original images"
        )
