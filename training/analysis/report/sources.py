"""Digests of the manifests, records and figures of the findings page, stored in the folder of the figures."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import BaseModel

from core.repository.manifest import sha256_of
from core.strict_model import StrictModel
from training.analysis.report.findings import Findings

SOURCES_NAME = "sources.json"


class Sources(StrictModel):
    """Digests that show if figures are outdated: from other versions, older records or another run."""

    manifests: dict[str, str]
    """sha256 of the manifest by reference of the version. The manifest has the digests of all files."""
    records: dict[str, str]
    """sha256 of the record by its kind and subject."""
    pictures: dict[str, str]
    """sha256 of the figure by file name."""


def sources(findings: Findings, folder: Path) -> Sources:
    """Compute the digests of the findings and of the SVG files in `folder`."""
    records: dict[str, StrictModel] = {
        "activations": findings.activations,
        "mistakes": findings.mistakes,
        f"exploration of {findings.exploration.name}": findings.exploration,
    }
    for side in findings.sides:
        records[f"robustness of {side.reference}"] = side.robustness
        records[f"explanations of {side.reference}"] = side.explanations
        records[f"latency of {side.reference}"] = side.latency
    records |= {f"tuning of {each.name}": each for each in findings.tunings}
    records |= {f"augmentation of {each.name}": each for each in findings.augmentation}
    return Sources(
        manifests={side.reference: _digest(side.manifest) for side in findings.sides},
        records={name: _digest(record) for name, record in sorted(records.items())},
        pictures={path.name: sha256_of(path) for path in sorted(folder.glob("*.svg"))},
    )


def _digest(model: BaseModel) -> str:
    """sha256 of the JSON without default values, so that new optional fields do not change it."""
    return hashlib.sha256(model.model_dump_json(exclude_defaults=True).encode()).hexdigest()
