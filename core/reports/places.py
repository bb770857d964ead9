"""Where records lie: DUET_HOME/reports/<what>/<reference>[-<reference>].json, their figures beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

REPORTS_NAME = "reports"
FIGURES_NAME = "figures"
ReportName = Literal["robustness", "explanations", "activations", "mistakes"]


def report_path(folder: Path, what: ReportName, *references: str, quick: bool = False) -> Path:
    """The file of a record of one or two versions; those of a quick look have a name of their own.

    Args:
        folder: the one that holds all records, by default `reports` under DUET_HOME.
        what: which kind of record.
        references: such as cnn@2.
        quick: whether it was made of a few images only.
    """
    return folder / what / f"{'-'.join(references)}{'.quick' if quick else ''}.json"


def figures_folder(folder: Path, what: ReportName) -> Path:
    """Where the figures of such records lie."""
    return folder / what / FIGURES_NAME
