from __future__ import annotations

import pytest

from training.plots.style import LIGHT, grid_of_axes, percent_axis


@pytest.mark.parametrize("inches", [1.4, 2.4, 5.0])
@pytest.mark.parametrize("most", [0.004, 0.018, 0.05, 0.13, 0.2, 0.23, 0.6, 1.0])
def test_percent_axis_labels_are_exact(most: float, inches: float) -> None:
    figure, [axes] = grid_of_axes(LIGHT, 1, 1, height=inches)
    axes.set_xlim(0, most)
    axes.set_ylim(0, most)
    percent_axis(axes.xaxis)
    percent_axis(axes.yaxis)
    figure.draw_without_rendering()
    for axis in (axes.xaxis, axes.yaxis):
        places = axis.get_majorticklocs()
        labels = [label.get_text() for label in axis.get_majorticklabels()]
        assert len([place for place in places if 0 <= place <= most]) >= 2
        assert [float(label.removesuffix("%")) / 100 for label in labels] == pytest.approx(places)
