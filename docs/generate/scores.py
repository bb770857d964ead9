"""The README's table of what the shipped versions score, and the machine that they were trained on."""

from __future__ import annotations

from core.estimate import Estimate
from core.evaluation import read_evaluation
from core.manifest import Manifest
from core.repository import ModelRepository


def scores(repository: ModelRepository) -> str:
    """A row for each champion."""
    lines = [
        "| version | recipe | accuracy | macro F1 | ECE | parameters | multiply-accumulates | training |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [_row(repository, family, version) for family, version in sorted(repository.champions().items())]
    return "\n".join(lines)


def _row(repository: ModelRepository, family: str, version: int) -> str:
    manifest = repository.manifest(family, version)
    scores = read_evaluation(repository.folder(family, version)).scores["fp32"]
    cost = manifest.cost
    return (
        f"| `{manifest.reference}` | `{manifest.recipe}` | {_percent(scores.accuracy)} | {_percent(scores.macro.f1)} "
        f"| {scores.reliability.ece:.2%} | {cost.parameters:,} | {cost.macs / 1e6:.1f} M "
        f"| {cost.total_seconds / 60:.1f} min |"
    )


def machine(repository: ModelRepository) -> str:
    """A sentence on what the champions were trained on."""
    manifests = [repository.manifest(family, version) for family, version in sorted(repository.champions().items())]
    stated = list(dict.fromkeys(_environment(manifest) for manifest in manifests))
    return f"Trained on {'; '.join(stated)}."


def _environment(manifest: Manifest) -> str:
    environment = manifest.environment
    device = environment.cpu if environment.device == "cpu" else environment.device
    return f"{environment.threads} threads of {device} with torch {environment.torch}"


def _percent(estimate: Estimate) -> str:
    return f"{estimate.value:.2%} ({estimate.low:.1%} to {estimate.high:.1%})"
