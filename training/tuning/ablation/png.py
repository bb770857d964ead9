"""Compact PNG files for the figures of studies, which are committed with the code."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

_COLORS, _DPI = 64, 100


def save_small(figure: Figure, path: Path) -> None:
    """Write the figure as a PNG with 64 colors, a third of the size of a true-color PNG."""
    FigureCanvasAgg(figure)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=_DPI)
    with Image.open(drawn) as picture:
        picture.convert("RGB").quantize(_COLORS).save(path, optimize=True)
