"""Saving of figures as PNG files."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from core.errors import ConfigurationError
from training.plots.style import Draw
from training.plots.theme import LIGHT

_DPI = 200


def write_figures(figures: Mapping[str, Draw], folder: Path, names: str) -> list[Path]:
    """Draw each figure with the light theme to `folder`/`names`.<figure>.png; returns the paths.

    Raises:
        ConfigurationError: the folder is not writable.
    """
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, draw in figures.items():
            paths.append(folder / f"{names}.{name}.png")
            paths[-1].write_bytes(png(draw(LIGHT)))
    except OSError as error:
        raise ConfigurationError(f"cannot write to {folder} ({error.strerror}): choose a writable folder") from error
    return paths


def png(figure: Figure) -> bytes:
    """Encode a figure as PNG. The same figure gives the same bytes."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=_DPI, metadata={"Software": None})
    return stream.getvalue()
