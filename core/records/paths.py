"""Where records lie: in two layers, as versions do, reports/<what>/<reference>[-<reference>].json in each.

What is made here goes to `reports` under DUET_HOME; the records of the versions that ship lie in `reports` beside them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from core.files.home import shipped_models

REPORTS_NAME = "reports"
FIGURES_NAME = "figures"
ReportName = Literal[
    "robustness",
    "corrupted_holdout",
    "explanations",
    "activations",
    "mistakes",
    "latency",
    "exploration",
    "tuning",
    "augmentation",
]


def report_layers(home: Path) -> tuple[Path, Path]:
    """The folders of records in the order in which they count: those made here, then those that ship.

    Args:
        home: DUET_HOME.
    """
    return home / REPORTS_NAME, shipped_models() / REPORTS_NAME


def report_path(folder: Path, what: ReportName, *references: str, quick: bool = False) -> Path:
    """The file of a record; those of a quick look have a name of their own.

    Args:
        folder: the one that holds all records, such as `reports` under DUET_HOME.
        what: which kind of record.
        references: of the one or two versions that it speaks of, such as cnn@2; or the name of a data set or study.
        quick: whether it was made of a few images only.
    """
    return folder / what / f"{'-'.join(references)}{'.quick' if quick else ''}.json"


def figures_folder(folder: Path, what: ReportName) -> Path:
    """Where the figures of such records lie."""
    return folder / what / FIGURES_NAME
