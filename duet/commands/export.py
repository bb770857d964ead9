"""`duet export`: publish the weights of a version again, without training them again."""

from __future__ import annotations

from typing import Annotated

import typer

from duet.commands.data import Data, DataDir, Download, load_images
from duet.commands.training_extra import require_training


def export(
    reference: Annotated[str, typer.Argument(metavar="REF", help="cnn@3, or cnn for the champion of cnn.")],
    data: Data = "cifar10",
    data_dir: DataDir = None,
    download: Download = False,
) -> None:
    """Export, calibrate and evaluate a version's weights again and publish them as the family's next version."""
    require_training("duet export")
    from core.repository import ModelRepository
    from training.progress import ConsoleReporter
    from training.republish import republish

    repository = ModelRepository.open()
    family, version = repository.resolve(reference)
    images = load_images(data, data_dir, download=download)
    with ConsoleReporter() as reporter:
        manifest = republish(repository, family, version, images, reporter=reporter)
    typer.echo(f"published {manifest.reference} from {family}@{version}")
    typer.echo(f"not served yet: duet models promote {manifest.reference} --reason WHY")
