"""Record paths: reports/<what>/<reference>[-<reference>].json in the home layer and the shipped layer.

New records go to `reports` under DUET_HOME. Records of the shipped versions are in `reports` beside them.
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
    """Folders of records in order of precedence: home, then shipped.

    Args:
        home: DUET_HOME.
    """
    return home / REPORTS_NAME, shipped_models() / REPORTS_NAME


def report_path(folder: Path, what: ReportName, *references: str, quick: bool = False) -> Path:
    """File of a record; records of quick runs have the suffix `.quick`.

    Args:
        folder: of all records, such as `reports` under DUET_HOME.
        what: kind of record.
        references: of the one or two versions, such as cnn@2; or the name of a data set or study.
        quick: true for a record of few images.
    """
    return folder / what / f"{'-'.join(references)}{'.quick' if quick else ''}.json"


def figures_folder(folder: Path, what: ReportName) -> Path:
    """Folder of the figures of this kind of record."""
    return folder / what / FIGURES_NAME
