"""The options with which commands name their images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[str, typer.Option(help="cifar10, or folder:NAME for the labelled folder DUET_HOME/datasets/NAME.")]
DataOfVersion = Annotated[
    str | None, typer.Option(help="As for duet train; by default the data set that the version was made from.")
]
DataDir = Annotated[Path | None, typer.Option(help="Folder that holds cifar-10-batches-py; by default DUET_DATA_DIR.")]
Download = Annotated[bool, typer.Option("--download", help="Download a built-in data set if it is not there.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Processor threads; by default all available cores.")]
