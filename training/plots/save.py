"""Writing the figures of a report to files."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path

from matplotlib.figure import Figure

from core.errors import ConfigurationError
from training.plots.theme import LIGHT, Theme

_DPI = 200


def write_figures(figures: Mapping[str, Callable[[Theme], Figure]], folder: Path, names: str) -> list[Path]:
    """Draw each in light colors to `folder`/`names`.<figure>.png and return the paths.

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


def png(figure: Figure) -> bytes:
    """The figure as a PNG file; the same figure gives the same bytes."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=_DPI, metadata={"Software": None})
    return stream.getvalue()
