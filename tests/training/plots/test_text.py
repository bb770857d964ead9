"""Literal text in figures."""

from __future__ import annotations

import pytest

from training.plots.text import plot_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Gr\u00fcn", "Gr\u00fcn"),
        ("US$ and $x$", r"US\$ and \$x\$"),
        ("two\nlines", "two\nlines"),
        ("a\U0001f9ffb", "aU+1F9FFb"),
    ],
)
def test_plain_escapes_dollars_and_missing_glyphs(text: str, shown: str) -> None:
    assert plot_text(text) == shown
