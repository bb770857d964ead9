"""Color themes of figures and pages: light and dark."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """Colors as #rrggbb.

    Attributes:
        name: `light` or `dark`.
        surface: background.
        text: labels.
        muted: lines and secondary text.
        grid: grid lines.
        accent: color of a single series.
        parts: train, validation, holdout and test; the colors of Okabe and Ito, which are distinguishable with color
            vision deficiencies.
        channels: red, green and blue.
    """

    name: str
    surface: str
    text: str
    muted: str
    grid: str
    accent: str
    parts: tuple[str, str, str, str]
    channels: tuple[str, str, str]


LIGHT = Theme(
    name="light",
    surface="#ffffff",
    text="#1b1d21",
    muted="#5c626b",
    grid="#e3e5e8",
    accent="#0072b2",
    parts=("#0072b2", "#e69f00", "#009e73", "#cc79a7"),
    channels=("#d1342f", "#2a8f3c", "#2f62d1"),
)
DARK = Theme(
    name="dark",
    surface="#1d2025",
    text="#eceef1",
    muted="#a3aab4",
    grid="#343941",
    accent="#56b4e9",
    parts=("#56b4e9", "#e69f00", "#2fbf94", "#dd95bc"),
    channels=("#ff7a70", "#5fce74", "#7aa5ff"),
)
