"""`duet export`: a new version from the weights of an old one, without training it again.

Versions never change, so whatever adds a file or a figure to the contract reaches old weights this way.
"""

from __future__ import annotations

import json

from core.errors import DataError
from core.recipes import RecipeConfig
from core.repository.manifest import Manifest
from core.repository.repository import ModelRepository
from training.data.split_dataset import Images
from training.export.weights import stored_classifier
from training.publish.publish import HISTORY_NAME, Origin, publish_version
from training.run.checkpoint import EpochRecord
from training.run.environment import source_digest
from training.run.reporter import Reporter


def republish(
    repository: ModelRepository, family: str, version: int, images: Images, *, reporter: Reporter
) -> Manifest:
    """Export, judge and publish the weights of `family`@`version` again, as the family's next version.

    Class biases are tried unless the old version's weights have them already.

    Raises:
        CorruptVersionError: the old version's files do not match its manifest.
        DataError: `images` are not those the old version was trained and judged on.
        ExportError, PublishError: as for a version that was just trained.
    """
    manifest = repository.verify(family, version)
    folder = repository.folder(family, version)
    _require_same_images(manifest, images)
    classifier = stored_classifier(manifest, folder)
    lines = (folder / HISTORY_NAME).read_text().splitlines()
    origin = Origin(
        config=RecipeConfig.model_validate(manifest.config),
        history=tuple(EpochRecord(**json.loads(line)) for line in lines),
        environment=manifest.environment,
        source_digest=source_digest(),
        derived_from=manifest.reference,
        geometry=manifest.input.geometry,
        teacher_seconds=manifest.cost.teacher_seconds,
        # Biases in the weights were fitted on the same holdout: cross-validation cannot judge them a second time.
        class_biases=manifest.class_biases if manifest.class_biases and manifest.class_biases.kept else None,
    )
    return publish_version(classifier, origin, images, repository, family, reporter=reporter)


def _require_same_images(manifest: Manifest, images: Images) -> None:
    stated = (manifest.data.digest, manifest.data.split_digest)
    given = (images.dataset.digest, images.split.digest)
    if stated != given:
        raise DataError(
            f"{manifest.reference} was made from {manifest.data.name} {stated[0][:12]} (split {stated[1][:12]}); these "
            f"images are {images.dataset.name} {given[0][:12]} (split {given[1][:12]}), and figures of the two would "
            "not compare: give --data-dir the images it was made from"
        )
