"""Figures of the tour: predictions and saliency maps of the shipped models."""

from __future__ import annotations

from pathlib import Path

import httpx
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from core.schemas.api import CompareResponse
from docs.generate import ROOT
from duet import Client

IMAGES = ROOT / "docs" / "images"
PICTURE = IMAGES / "cat.jpg"
METHODS = ("smoothgrad", "integrated_gradients", "grad_cam", "occlusion")
COMPARED_METHODS = "input_x_gradient,occlusion"


def draw_pictures(address: str) -> None:
    """Write the figures from the responses of the service at `address`."""
    with Client(address) as client:
        _draw_predictions(client.compare(PICTURE), IMAGES / "answer.png")
        (IMAGES / "saliency.png").write_bytes(client.saliency_picture(PICTURE, method=METHODS, steps=20))
    (IMAGES / "saliency-compared.png").write_bytes(_compared_maps(address))


def _compared_maps(address: str) -> bytes:
    """Return a PNG file with the maps of both models."""
    query = {"saliency": COMPARED_METHODS, "format": "png"}
    answer = httpx.post(f"{address}/compare", params=query, files={"file": PICTURE.read_bytes()}, timeout=60)
    return answer.raise_for_status().content


def _draw_predictions(answer: CompareResponse, path: Path) -> None:
    """Draw the image beside the most probable classes of both models."""
    figure = Figure(figsize=(9.5, 2.9), layout="constrained")
    axes = figure.subplots(1, 3, width_ratios=(1.3, 1, 1))
    axes[0].imshow(Image.open(PICTURE))
    axes[0].set_title("docs/images/cat.jpg", fontsize=10)
    axes[0].axis("off")
    for plot, prediction in zip(axes[1:], answer.predictions, strict=True):
        top = prediction.top[::-1]
        colors = ["#0072B2" if entry.label in prediction.prediction_set else "#bbbbbb" for entry in top]
        plot.barh([entry.label for entry in top], [entry.probability for entry in top], color=colors)
        for row, entry in enumerate(top):
            plot.text(min(entry.probability, 0.72) + 0.02, row, f"{entry.probability:.1%}", va="center", fontsize=10)
            if entry.probability > 0.72:
                plot.texts[-1].set_color("white")
        plot.set_xlim(0, 1)
        plot.set_xticks([])
        plot.set_title(f"{prediction.model}@{prediction.version}: {prediction.label}", fontweight="bold", fontsize=11)
        plot.set_xlabel(_set_caption(list(prediction.prediction_set), prediction.coverage), fontsize=9)
        for side in ("top", "right", "bottom"):
            plot.spines[side].set_visible(False)
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=120, metadata={"Software": None})


def _set_caption(labels: list[str], coverage: float) -> str:
    listed = ", ".join(labels[:3]) + (f" or {len(labels) - 3} others" if len(labels) > 3 else "")
    return f"{coverage:.0%} prediction set:\n{listed}"
