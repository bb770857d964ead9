"""What pictures were drawn from: digests of manifests, records and pictures, kept beside the pictures."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import BaseModel

from core.records.base import Record
from core.repository.manifest import sha256_of
from training.analysis.report.findings import Findings

SOURCES_NAME = "sources.json"


class Sources(Record):
    """Digests by which pictures of other versions, older records, or drawn apart from the rest are noticed."""

    manifests: dict[str, str]
    """By reference of the version, sha256 of its manifest, which has those of all its files."""
    records: dict[str, str]
    """By kind of the record and what it speaks of, sha256 of the record."""
    pictures: dict[str, str]
    """By name of the file, sha256 of it."""


def sources(findings: Findings, folder: Path) -> Sources:
    """What findings are made from, and the pictures in `folder`, those files whose names end in .svg."""
    records: dict[str, Record] = {
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


def _digest(said: BaseModel) -> str:
    """Of what a manifest or record says; a field that its schema gained later counts once it is filled."""
    return hashlib.sha256(said.model_dump_json(exclude_defaults=True).encode()).hexdigest()
