"""`duet models import`: publish an ONNX file from elsewhere as a version."""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from duet.commands.common import DataDir, Threads, note
from duet.commands.completion import complete_data, complete_family
from duet.commands.extras import require_training


class GeometryOption(StrEnum):
    """Fit of images that are not square."""

    CROP = "crop"
    PAD = "pad"
    STRETCH = "stretch"


def import_model(
    file: Annotated[Path, typer.Argument(metavar="FILE.onnx", help="The graph; its external data lies beside it.")],
    family: Annotated[
        str, typer.Option(help="Family to publish under, existing or new.", autocompletion=complete_family)
    ],
    classes: Annotated[Path, typer.Option(help="Text file with the class of each output, one per line.")],
    calibrate: Annotated[
        str,
        typer.Option(
            metavar="DATASET",
            help="Data set to calibrate and evaluate on, such as folder:pets.",
            autocompletion=complete_data,
        ),
    ],
    mean: Annotated[
        str, typer.Option(metavar="R,G,B", help="Mean that the graph expects to be subtracted from pixels in [0, 1].")
    ] = "0,0,0",
    std: Annotated[
        str, typer.Option(metavar="R,G,B", help="Standard deviation that divides the difference.")
    ] = "1,1,1",
    geometry: Annotated[GeometryOption, typer.Option(help="Fit of images that are not square.")] = GeometryOption.CROP,
    data_dir: DataDir = None,
    threads: Threads = None,
) -> None:
    """Check an ONNX graph, wrap scaling and layout into it, calibrate it and publish it as a version."""
    require_training("duet models import")
    from core.cpu import available_cores
    from core.errors import ConfigurationError
    from core.files.home import duet_home, ensure_home
    from core.images.class_labels import normalized_label
    from core.repository.publishing import check_family_name
    from core.repository.repository import ModelRepository
    from training.data.load import load_images
    from training.export.source_graph import read_graph
    from training.publish.import_version import ImportSettings, import_version
    from training.run.reporter import ConsoleReporter

    check_family_name(family)
    source = read_graph(file)
    try:
        lines = classes.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"cannot read {classes} as UTF-8 text: name a file with a class on each line"
        ) from error
    settings = ImportSettings(
        class_names=tuple(normalized_label(line.strip()) for line in lines if line.strip()),
        mean=_channels(mean, "--mean"),
        std=_channels(std, "--std", positive=True),
        geometry=geometry.value,
    )
    images = load_images(calibrate, data_dir, image_size=source.side, geometry=settings.geometry, note=note)
    ensure_home(duet_home())
    with ConsoleReporter() as reporter:
        manifest = import_version(
            source, settings, images, ModelRepository.open(), family,
            reporter=reporter, threads=threads or available_cores(),
        )  # fmt: skip
    accuracy, count = manifest.metrics.test_accuracy, manifest.data.counts["test"]
    typer.echo(f"published {manifest.reference}: {accuracy:.2%} accuracy on {count:,} test images")
    typer.echo(f"not served yet: duet models promote {manifest.reference} --reason WHY")


def _channels(text: str, option: str, *, positive: bool = False) -> tuple[float, float, float]:
    from core.errors import ConfigurationError

    with suppress(ValueError):
        red, green, blue = (float(part) for part in text.split(","))
        if all(abs(one) < 1e6 and (one > 0 or not positive) for one in (red, green, blue)):
            return red, green, blue
    kind = "positive numbers" if positive else "numbers"
    raise ConfigurationError(f"{option} {text} is not valid: give three {kind}, such as 0.5,0.5,0.5")
