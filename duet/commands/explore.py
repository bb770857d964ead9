"""`duet explore`: statistics, duplicates and sample images of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from duet.commands.common import Data, DataDir, Download, interruptible, note, progress_bar, this_command
from duet.commands.extras import require_training

if TYPE_CHECKING:
    from training.analysis.explore.explore import Findings


def explore(
    data: Data = "cifar10",
    data_dir: DataDir = None,
    download: Download = False,
    out: Annotated[Path | None, typer.Option(help="Output folder; by default DUET_HOME/explore/DATA.")] = None,
) -> None:
    """Analyze a data set: writes explore.json, PNG figures and index.html."""
    require_training("duet explore")
    from core.files.home import duet_home, ensure_home
    from training.analysis.explore.explore import explore as explore_dataset
    from training.data.load import load_images

    images = load_images(data, data_dir, download=download, note=note)
    folder = out or ensure_home(duet_home()) / "explore" / data
    with interruptible(lambda: f"nothing is kept; start over with: {this_command()}"), progress_bar() as progress:
        findings = explore_dataset(images.dataset, images.split, folder, progress)
    for line in _summary(findings):
        typer.echo(line)
    typer.echo(f"page: {folder / 'index.html'}")


def _summary(findings: Findings) -> list[str]:
    statistics, duplicates = findings.statistics, findings.duplicates
    parts = ", ".join(f"{count:,} {part}" for part, count in statistics.images.items())
    mean, std = (
        ", ".join(f"{value:.4f}" for value in values)
        for values in (statistics.values["training"].mean, statistics.values["training"].std)
    )
    share = duplicates.near_test_images / statistics.images["test"]
    return [
        f"{findings.name}: {parts} images of {statistics.width}x{statistics.height} pixels, "
        f"{len(findings.class_names)} classes",
        f"channel mean {mean}; standard deviation {std}",
        f"test images with duplicates in training: {duplicates.exact_test_images} exact, "
        f"{duplicates.near_test_images} ({share:.2%}) near",
    ]
