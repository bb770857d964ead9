"""Common options of the commands that read images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[str, typer.Option(help="Data set: cifar10, or folder:NAME for DUET_HOME/datasets/NAME.")]
DataOfVersion = Annotated[
    str | None, typer.Option(help="Data set as for duet train; by default the one that the version was trained on.")
]
DataDir = Annotated[
    Path | None, typer.Option(help="Folder that contains cifar-10-batches-py; by default DUET_DATA_DIR.")
]
Download = Annotated[bool, typer.Option("--download", help="Download a built-in data set if it is missing.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Number of CPU threads; by default all available cores.")]
