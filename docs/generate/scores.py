"""Generator of the README's marked blocks: scores, averaged views and training machine of the shipped versions."""

from __future__ import annotations

import re

from core.repository.evaluation import read_evaluation
from core.repository.manifest import Manifest
from core.repository.repository import ModelRepository
from core.statistics.intervals import ConfidenceInterval

_MARKED = re.compile(r"<!-- (?P<name>scores|views|machine) -->\n.*?<!-- end -->", re.DOTALL)


def with_scores(page: str, repository: ModelRepository) -> str:
    """Return the page with its marked blocks updated for the champions of `repository`."""
    blocks = {"scores": scores(repository), "views": views(repository), "machine": machine(repository)}
    return _MARKED.sub(lambda match: f"<!-- {match['name']} -->\n{blocks[match['name']]}\n<!-- end -->", page)


def scores(repository: ModelRepository) -> str:
    """Return a table with one row per champion."""
    lines = [
        "| version | recipe | accuracy | on the holdout | macro F1 | ECE | parameters | multiply-accumulates "
        "| training |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_row(repository, family, version) for family, version in sorted(repository.champions().items())]
    return "\n".join(lines)


def _row(repository: ModelRepository, family: str, version: int) -> str:
    manifest = repository.manifest(family, version)
    scores = read_evaluation(repository.folder(family, version)).scores["fp32"]
    cost, start = manifest.cost, manifest.config.get("init_from")
    after = f" after {start}" if start else ""
    cells = (
        f"`{manifest.reference}`",
        f"`{manifest.recipe}`",
        _percent(scores.accuracy),
        _holdout(manifest),
        _percent(scores.macro.f1),
        f"{scores.reliability.ece:.2%}",
        f"{cost.parameters:,}",
        f"{cost.macs / 1e6:.1f} M",
        f"{cost.total_seconds / 60:.1f} min{after}",
    )
    return f"| {' | '.join(cells)} |"


def _holdout(manifest: Manifest) -> str:
    accuracy = manifest.metrics.holdout_accuracy
    return "" if accuracy is None else f"{accuracy:.2%}"


def views(repository: ModelRepository) -> str:
    """Return a sentence with the accuracy of each champion with averaged views, if measured."""
    accuracies = [
        f"{manifest.averaged_views['fp32'].test_accuracy.value:.2%} (`{manifest.reference}`)"
        for manifest in _champions(repository)
        if "fp32" in manifest.averaged_views
    ]
    return f"With six views averaged (`tta=true`) the accuracy is {' and '.join(accuracies)}."


def machine(repository: ModelRepository) -> str:
    """Return a sentence with the machines that the champions were trained on."""
    machines = {manifest.reference: _environment(manifest) for manifest in _champions(repository)}
    if len(set(machines.values())) == 1:
        return f"Trained on {next(iter(machines.values()))}."
    listed = [f"{environment} (`{reference}`)" for reference, environment in machines.items()]
    return f"Trained on {' and '.join(listed)}."


def _champions(repository: ModelRepository) -> list[Manifest]:
    return [repository.manifest(family, version) for family, version in sorted(repository.champions().items())]


def _environment(manifest: Manifest) -> str:
    environment = manifest.environment
    device = environment.cpu if environment.device == "cpu" else environment.device
    return f"{environment.threads} threads of {device} with torch {environment.torch}"


def _percent(estimate: ConfidenceInterval) -> str:
    return f"{estimate.value:.2%} ({estimate.low:.1%} to {estimate.high:.1%})"
