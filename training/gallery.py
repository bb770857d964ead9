"""Writing the figures of a report to files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from matplotlib.figure import Figure

from core.errors import ConfigurationError
from training.explore.figures import png
from training.explore.theme import LIGHT, Theme


def write_figures(figures: Mapping[str, Callable[[Theme], Figure]], folder: Path, names: str) -> list[Path]:
    """Draw each in light colours to `folder`/`names`.<figure>.png and return the paths.

    Raises:
        ConfigurationError: the folder cannot be written to.
    """
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, draw in figures.items():
            paths.append(folder / f"{names}.{name}.png")
            paths[-1].write_bytes(png(draw(LIGHT)))
    except OSError as error:
        raise ConfigurationError(f"cannot write to {folder} ({error.strerror})") from error
    return paths
