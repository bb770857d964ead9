from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from tests.training.analysis.explore.pictures import pictures
from training.analysis.explore.figures import (
    captioned_figure,
    class_counts_figure,
    distribution_figure,
    value_histogram_figure,
)
from training.analysis.explore.statistics import Distribution, Distributions
from training.data.preprocessing import value_counts
from training.plots.image_grid import mosaic_figure
from training.plots.style import DARK, LIGHT, Theme, png

COUNTS = {
    "train": {"cat": 30, "dog": 20},
    "validation": {"cat": 4, "dog": 2},
    "holdout": {"cat": 3, "dog": 1},
    "test": {"cat": 7, "dog": 9},
}
SPREAD = Distributions(Distribution(0.1, 0.2, 0.3, 0.4, 0.5, 0.3), {"cat": Distribution(0.2, 0.3, 0.4, 0.5, 0.6, 0.4)})


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def pixels(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
@pytest.mark.parametrize(
    "draw",
    [
        lambda theme: class_counts_figure(COUNTS, theme),
        lambda theme: value_histogram_figure(value_counts(pictures(3)), theme),
        lambda theme: distribution_figure(SPREAD, "brightness", theme),
        lambda theme: mosaic_figure([list(pictures(3)), list(pictures(2))], captions=["cat", "dog"], theme=theme),
        lambda theme: captioned_figure(list(pictures(4)), list("abcd"), columns=3, theme=theme),
    ],
    ids=["class_counts", "values", "distribution", "rows", "captioned"],
)
def test_figures_have_page_width_and_theme_colors(draw: Callable[[Theme], Figure], theme: Theme) -> None:
    content = png(draw(theme))
    image_HWC = pixels(content)
    assert image_HWC.shape[1] == 1080
    surface = tuple(int(theme.surface[start : start + 2], 16) for start in (1, 3, 5))
    colours, counts = np.unique(image_HWC.reshape(-1, 3), axis=0, return_counts=True)
    assert tuple(colours[counts.argmax()]) == surface
    assert png(draw(theme)) == content


def test_bars_are_as_long_as_the_counts() -> None:
    axes = class_counts_figure(COUNTS, LIGHT).axes[0]
    bars = [(bar.get_x(), bar.get_width()) for bar in axes.patches if isinstance(bar, Rectangle)]
    assert bars == [(0, 30), (0, 20), (30, 4), (20, 2), (34, 3), (22, 1), (37, 7), (23, 9)]
    assert axes.yaxis_inverted()


def test_histogram_shows_shares() -> None:
    counts_CV = np.zeros((3, 256), dtype=np.int64)
    counts_CV[:, 10], counts_CV[:, 20] = 1, 3
    lines = value_histogram_figure(counts_CV, LIGHT).axes[0].get_lines()
    assert [line.get_label() for line in lines] == ["red", "green", "blue"]
    shares = np.asarray(lines[0].get_ydata())
    assert (shares[10], shares[20], shares.sum()) == (0.25, 0.75, 1)


def test_boxes_lie_at_the_percentiles() -> None:
    axes = distribution_figure(SPREAD, "brightness", LIGHT).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["all", "cat"]
    box = axes.patches[1].get_path().get_extents()
    assert (box.x0, box.x1) == pytest.approx((0.3, 0.5))


def test_class_named_all_does_not_replace_the_row_of_all_images() -> None:
    spread = Distributions(SPREAD.overall, {"all": SPREAD.by_class["cat"]})
    axes = distribution_figure(spread, "brightness", LIGHT).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["all", "all"]


def test_dollars_in_class_names_are_drawn_literally() -> None:
    names = ("a$b$", r"US$")
    counts = {part: dict.fromkeys(names, 3) for part in COUNTS}
    figure = class_counts_figure(counts, LIGHT)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [r"a\$b\$", r"US\$"]
    figure = captioned_figure(list(pictures(2)), names, columns=2, theme=LIGHT)
    assert texts(figure) == [r"a\$b\$", r"US\$"]


def test_rows_hold_the_images_beside_their_names() -> None:
    cats, dogs = pictures(3), pictures(2, seed=1)
    figure = mosaic_figure([list(cats), list(dogs)], captions=["cat", "dog"], theme=LIGHT)
    canvas = np.asarray(figure.axes[0].images[0].get_array())
    gap = 2
    assert canvas.shape == (2 * 32 + gap, 3 * 32 + 2 * gap, 4)
    assert np.array_equal(canvas[:32, 34:66, :3], cats[1])
    assert np.array_equal(canvas[34:, :32, :3], dogs[0])
    assert (canvas[:32, 34:66, 3] == 255).all()
    assert (canvas[34:, 68:, 3] == 0).all()  # clear, so that whatever lies behind shows
    assert texts(figure) == ["cat", "dog"]


def test_captions_stand_below_their_images() -> None:
    images = list(pictures(4))
    figure = captioned_figure(images, ["a\n1", "b\n2", "c\n3", "d\n4"], columns=3, theme=LIGHT)
    axes = figure.axes[0]
    canvas = np.asarray(axes.images[0].get_array())
    assert np.array_equal(canvas[:32, 34:66, :3], images[1])
    first, *_, last = axes.texts
    assert first.get_position()[0] == 16
    assert 32 < first.get_position()[1] < 36
    top = int(last.get_position()[1]) - 33
    rows = [row for row in range(top - 3, top + 4) if np.array_equal(canvas[row : row + 32, :32, :3], images[3])]
    assert len(rows) == 1
