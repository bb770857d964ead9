"""Figures of studies as small files: reports are kept beside the code."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

_COLORS, _DPI = 64, 100


def save_small(figure: Figure, path: Path) -> None:
    """Write the figure as a PNG of 64 colors, a third as large as one of all."""
    FigureCanvasAgg(figure)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=_DPI)
    with Image.open(drawn) as picture:
        picture.convert("RGB").quantize(_COLORS).save(path, optimize=True)
