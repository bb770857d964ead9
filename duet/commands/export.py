"""`duet export`: publish the weights of a version as a new version, without training."""

from __future__ import annotations

import typer

from duet.commands.common import DataDir, DataOfVersion, Download, Reference
from duet.commands.extras import require_training


def export(
    reference: Reference,
    data: DataOfVersion = None,
    data_dir: DataDir = None,
    download: Download = False,
) -> None:
    """Export, calibrate and evaluate a version's weights and publish them as the family's next version."""
    require_training("duet export")
    from core.repository.repository import ModelRepository
    from training.pipeline.requests import images_for
    from training.publish.republish import republish
    from training.run.reporter import ConsoleReporter

    repository = ModelRepository.open()
    family, version = repository.resolve(reference)
    manifest = repository.manifest(family, version)
    with ConsoleReporter() as reporter:
        images = images_for(manifest, data, data_dir=data_dir, download=download, note=reporter.note)
        published = republish(repository, family, version, images, reporter=reporter)
    typer.echo(f"published {published.reference} from {family}@{version}")
    typer.echo(f"not served yet: duet models promote {published.reference} --reason WHY")
