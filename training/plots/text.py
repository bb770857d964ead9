"""Text in figures: class names may contain `$` and characters that the font of matplotlib lacks."""

from __future__ import annotations

from functools import cache

import matplotlib
from matplotlib.font_manager import findfont, fontManager, get_font

_FALLBACKS = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Source Han Sans",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Droid Sans Fallback",
    "Hiragino Sans",
    "PingFang SC",
    "Apple SD Gothic Neo",
    "Yu Gothic",
    "Microsoft YaHei",
    "Malgun Gothic",
    "Arial Unicode MS",
)
"""Common fonts with Chinese, Japanese or Korean characters, on Linux, macOS and Windows."""

_BASE = "DejaVu Sans"
"""Font that comes with matplotlib."""


def plot_text(text: str) -> str:
    """The text as matplotlib draws it literally, in the font of matplotlib or an installed fallback.

    `$` is escaped, because it starts a formula. A character that no font has is written as its code point, such as
    U+732B.
    """
    known = _characters()
    shown = (char if char == "\n" or ord(char) in known else f"U+{ord(char):04X}" for char in text)
    return "".join(shown).replace("$", r"\$")


@cache
def _characters() -> frozenset[int]:
    """Code points that the fonts have. The installed fallbacks become part of matplotlib's default font."""
    installed = {font.name for font in fontManager.ttflist}
    families = [_BASE, *(family for family in _FALLBACKS if family in installed)]
    matplotlib.rcParams["font.family"] = families
    return frozenset(code for family in families for code in get_font(findfont(family)).get_charmap())
