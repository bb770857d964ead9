"""The options with which commands name their images, and the loading of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from training.images import Images

Data = Annotated[str, typer.Option(help="Name of the data set.")]
DataDir = Annotated[Path | None, typer.Option(help="Folder that holds cifar-10-batches-py; by default DUET_DATA_DIR.")]
Download = Annotated[bool, typer.Option("--download", help="Download the data set if it is not there.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Processor threads; by default all available cores.")]


def load_images(data: str, data_dir: Path | None, *, download: bool) -> Images:
    """The data set called `data` with its split.

    Raises:
        DataError: there is no such data set, or its files are missing or damaged; the message says what to do.
    """
    from training.datasets.catalogue import load_dataset
    from training.datasets.splits import split_for
    from training.images import Images

    dataset = load_dataset(data, data_dir, download=download)
    return Images(dataset, split_for(dataset))
