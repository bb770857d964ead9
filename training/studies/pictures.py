"""Figures of studies as small files: reports are kept beside the code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

_COLOURS = 64


def save_small(figure: Figure, path: Path) -> None:
    """Write the figure as a PNG of 64 colours, a third as large as one of all."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    picture.quantize(_COLOURS).save(path, optimize=True)
