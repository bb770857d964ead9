"""Generator of the README's marked blocks: scores, weaknesses, averaged views and training machine of the champions."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from core.errors import DataError
from core.gate.holdout import read_corrupted
from core.records.base import plain
from core.records.lookup import REPORTS_NAME, find_report
from core.records.robustness import CORRUPTION_KINDS, Robustness, mean_accuracies
from core.repository.evaluation import read_evaluation
from core.repository.manifest import Manifest
from core.repository.predictions import load_predictions
from core.repository.repository import ModelRepository
from core.statistics.calibration import calibrated_ece
from core.statistics.conformal import coverage_band
from core.statistics.intervals import ConfidenceInterval

_MARKED = re.compile(r"<!-- (?P<name>scores|weaknesses|views|machine) -->\n.*?<!-- end -->", re.DOTALL)


def with_scores(page: str, repository: ModelRepository) -> str:
    """Return the page with its marked blocks updated for the champions of `repository`."""
    blocks: dict[str, Callable[[ModelRepository], str]] = {
        "scores": scores, "weaknesses": weaknesses, "views": views, "machine": machine,
    }  # fmt: skip
    return _MARKED.sub(
        lambda match: f"<!-- {match['name']} -->\n{blocks[match['name']](repository)}\n<!-- end -->", page
    )


def scores(repository: ModelRepository) -> str:
    """Return a table with one row per champion."""
    lines = [
        "| version | recipe | accuracy | on the holdout | under corruption: mean, lowest | macro F1 | ECE | parameters "
        "| multiply-accumulates | training |",
        "|---|---|---|---|---|---|---|---|---|---|",
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
        _under_corruption(repository, manifest),
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


def _under_corruption(repository: ModelRepository, manifest: Manifest) -> str:
    """Mean accuracy over all corruptions, and the lowest mean of one corruption; a note if they were not measured."""
    record = _robustness(repository, manifest)
    if record is None:
        return "not measured"
    overall, *_ = mean_accuracies(record)
    lowest, name = _lowest(record)
    return f"{overall.accuracy.value:.1%}, {lowest:.1%} ({name})"


def weaknesses(repository: ModelRepository) -> str:
    """Return a table of the champions' weaknesses: corruptions, attack, calibration, prediction sets, flags.

    Raises:
        DataError: a record of a champion is missing or damaged.
    """
    columns = {manifest.reference: _weaknesses(repository, manifest) for manifest in _champions(repository)}
    rows = zip(*columns.values(), strict=True)
    lines = [f"| measurement |{''.join(f' `{name}` |' for name in columns)}", f"|---|{'---:|' * len(columns)}"]
    lines += [f"| {row[0][0]} | {' | '.join(text for _, text in row)} |" for row in rows]
    return "\n".join(lines)


def _weaknesses(repository: ModelRepository, manifest: Manifest) -> list[tuple[str, str]]:
    """Label and figures of each row for one version."""
    record, corrupted = _robustness(repository, manifest), read_corrupted(repository, manifest)
    if record is None or corrupted is None:
        raise DataError(
            f"{manifest.reference} has no record of its robustness or of corrupted holdout images: measure them with "
            f"`duet evaluate {manifest.reference} --robustness`"
        )
    folder = repository.folder(manifest.family, manifest.version)
    scores, predictions = read_evaluation(folder).scores["fp32"], load_predictions(folder, "test")
    sets, overall, (lowest, name) = scores.prediction_sets, mean_accuracies(record)[0].accuracy, _lowest(record)
    low, high = coverage_band(len(predictions.labels), manifest.data.counts["holdout"], sets.target)
    kinds = len({each.name for each in record.of_kind(*CORRUPTION_KINDS)})
    fgsm = record.named("fgsm")[-1]
    return [
        (f"accuracy on {record.data.images:,} unchanged test images", f"{record.clean.accuracy.value:.1%}"),
        (f"accuracy under corruption, mean over {kinds} kinds at five severities", f"{overall.value:.1%}"),
        ("accuracy under the corruption with the lowest mean", f"{lowest:.1%} ({name})"),
        (f"accuracy after one step of FGSM, {fgsm.setting}", f"{fgsm.accuracy.value:.1%}"),
        ("ECE", f"{scores.reliability.ece:.2%}"),
        (
            "ECE of a perfectly calibrated model with the same confidences, 95 % quantile",
            f"{calibrated_ece(predictions.probabilities['fp32']).percentile_95:.2%}",
        ),
        (
            f"test images whose {sets.target:.0%} prediction set contains the true class",
            f"{sets.coverage.value:.2%}",
        ),
        (f"95 % range of this share if the coverage is {sets.target:.0%}", f"{low:.2%} to {high:.2%}"),
        ("accuracy on corrupted holdout images", f"{corrupted.accuracy:.1%}"),
        ("corrupted holdout images flagged as out of distribution", f"{corrupted.flag_rate:.1%}"),
    ]


def _robustness(repository: ModelRepository, manifest: Manifest) -> Robustness | None:
    """The shipped record of the robustness of a version."""
    found = find_report(Robustness, [manifest], [repository.shipped / REPORTS_NAME])
    return None if found is None else found.record


def _lowest(record: Robustness) -> tuple[float, str]:
    """Mean accuracy over the severities of the hardest corruption, and its name."""
    names = dict.fromkeys(each.name for each in record.of_kind(*CORRUPTION_KINDS))
    means = {name: float(np.mean([each.accuracy.value for each in record.named(name)])) for name in names}
    hardest = min(means, key=lambda name: means[name])
    return means[hardest], plain(hardest)


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
