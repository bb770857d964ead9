"""Figures of live traffic: shares and means of recent answers, estimates from labels, and disagreements of families."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations

import numpy as np

from core.schemas.live import LiveClass, LiveDisagreement, LiveModel
from service.live.drift import DriftTests
from service.live.label_free import LabelFreeEstimates, Outcome
from service.live.labelled import LabelledAnswers
from service.live.reference import HoldoutReference
from service.live.rows import AnswerRow, ModelKey, TrafficRow


def model_figures(
    rows: Sequence[TrafficRow],
    drift: DriftTests,
    reference_of: Callable[[ModelKey], HoldoutReference | None],
    labelled: Mapping[ModelKey, LabelledAnswers],
    label_free: LabelFreeEstimates,
) -> tuple[LiveModel, ...]:
    """Figures of each version that answered recent images, by name.

    Args:
        rows: recent images.
        drift: drift tests of all images.
        reference_of: reads the holdout reference of a version.
        labelled: labelled answers of each version.
        label_free: estimates accuracy without labels.
    """
    answers: dict[ModelKey, list[tuple[float, AnswerRow]]] = {}
    for row in rows:
        for answer in row.answers:
            answers.setdefault(answer.key, []).append((1 / row.inclusion_probability, answer))
    return tuple(
        _figures_of(
            key,
            answers[key],
            drift,
            reference_of(key),
            labelled.get(key, LabelledAnswers()),
            label_free.estimate(key, rows),
        )
        for key in sorted(answers)
    )


def disagreements(rows: Iterable[TrafficRow]) -> tuple[LiveDisagreement, ...]:
    """Share of the images to which two versions of different families give different answers, for each pair."""
    pairs: dict[tuple[str, str], list[tuple[float, bool]]] = {}
    for row in rows:
        by_family = {answer.key.family: answer for answer in reversed(row.answers)}
        for first, second in combinations(sorted(by_family.values()), 2):
            names = first.key.reference, second.key.reference
            pairs.setdefault(names, []).append((1 / row.inclusion_probability, first.label != second.label))
    return tuple(
        LiveDisagreement(first=names[0], second=names[1], images=len(found), share=_mean(found))
        for names, found in sorted(pairs.items())
    )


def _figures_of(
    key: ModelKey,
    weighted: Sequence[tuple[float, AnswerRow]],
    drift: DriftTests,
    reference: HoldoutReference | None,
    labelled: LabelledAnswers,
    label_free: Outcome,
) -> LiveModel:
    return LiveModel(
        model=key.family,
        version=key.version,
        precision=key.precision,
        images=len(weighted),
        in_response=sum(answer.in_response for _, answer in weighted),
        mean_confidence=_mean([(weight, answer.confidence) for weight, answer in weighted]),
        holdout_confidence=reference and reference.mean_confidence,
        mean_set_size=_mean([(weight, answer.set_size) for weight, answer in weighted]),
        holdout_set_size=reference and reference.mean_set_size,
        flag_share=_mean([(weight, answer.flagged) for weight, answer in weighted]),
        holdout_flag_share=reference and reference.flag_share,
        classes=_classes(weighted, reference, labelled),
        labelled=len(labelled.misses),
        none_of_these=labelled.true[None],
        accuracy=labelled.estimate and labelled.estimate.accuracy,
        label_free=label_free.estimate,
        label_free_reason=label_free.reason,
        coverage=reference and labelled.coverage(reference.nominal_miss_rate),
        drift=drift.results(key),
    )


def _classes(
    weighted: Sequence[tuple[float, AnswerRow]], reference: HoldoutReference | None, labelled: LabelledAnswers
) -> tuple[LiveClass, ...]:
    shares: dict[str, float] = dict.fromkeys(reference.labels if reference else (), 0.0)
    total = sum(weight for weight, _ in weighted)
    for weight, answer in weighted:
        shares[answer.label] = shares.get(answer.label, 0.0) + weight / total
    mix = reference.rates.get("class_mix") if reference else None
    holdout = {name: count / mix.images for name, count in zip(mix.names, mix.counts, strict=True)} if mix else {}
    return tuple(
        LiveClass(
            label=label,
            share=share,
            holdout_share=holdout.get(label),
            predicted=labelled.predicted[label],
            labelled=labelled.true[label],
            precision=labelled.estimate.precision.get(label) if labelled.estimate else None,
            recall=labelled.estimate.recall.get(label) if labelled.estimate else None,
        )
        for label, share in shares.items()
    )


def _mean(weighted: Sequence[tuple[float, float]]) -> float:
    weights_N, values_N = np.array(weighted, np.float64).T
    return float(np.average(values_N, weights=weights_N))
