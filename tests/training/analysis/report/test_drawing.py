from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
from matplotlib.figure import Figure

from training.analysis.report.drawing import inlined, standalone, svg, variables
from training.plots.image_grid import mosaic_figure
from training.plots.style import DARK, LIGHT, Theme


def a_figure(theme: Theme) -> Figure:
    pictures_NHWC = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    return mosaic_figure([list(pictures_NHWC)], captions=["cat"], theme=theme)


def test_svg_colors_are_variables_and_text_stays_text() -> None:
    drawn = svg(a_figure)
    for color in (LIGHT.surface, LIGHT.text):
        assert color not in drawn
    assert "var(--surface)" in drawn
    assert "var(--text)" in drawn
    texts = [element.text for element in ElementTree.fromstring(drawn).iter() if element.tag.endswith("}text")]
    assert texts == ["cat"]


def test_svg_is_deterministic_and_has_no_fixed_size() -> None:
    drawn = svg(a_figure)
    assert drawn == svg(a_figure)
    root = ElementTree.fromstring(drawn)
    assert "viewBox" in root.attrib
    assert not {"width", "height"} & root.attrib.keys()


def test_inlined_figures_have_unique_ids() -> None:
    drawn = svg(a_figure)
    one, other = (ElementTree.fromstring(inlined(drawn, name, "what it shows")) for name in ("one", "other"))
    ids = [{element.attrib["id"] for element in root.iter() if "id" in element.attrib} for root in (one, other)]
    assert ids[0]
    assert not ids[0] & ids[1]
    assert one.attrib["aria-label"] == "what it shows"
    wanted = {
        value.removeprefix("url(#").removesuffix(")")
        for element in one.iter()
        for key, value in element.attrib.items()
        if key == "clip-path"
    }
    assert wanted <= ids[0]


def test_standalone_svg_has_both_themes() -> None:
    alone = standalone(svg(a_figure))
    ElementTree.fromstring(alone.encode())
    assert f"--text: {LIGHT.text};" in alone
    assert f"--text: {DARK.text};" in alone
    assert variables(LIGHT) != variables(DARK)
