"""The answers about promotions and evaluations that OpenAPI shows, made of the real models and a real judgment."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from core.gate.costs import Costs
from core.gate.decide import decide
from core.gate.holdout import Evidence
from core.gate.latency import Latency
from core.gate.thresholds import GateThresholds
from core.records.base import ReportedData, ReportedModel
from core.records.corrupted_holdout import CorruptedCondition, CorruptedHoldout
from core.repository.alias_files import Promotion
from core.repository.confidence_interval import ConfidenceInterval
from core.repository.evaluation import EvaluatedData, Evaluation
from core.repository.manifest import Manifest
from core.repository.predictions import SplitPredictions
from core.schemas.api import ModelReadiness
from core.schemas.promotions import (
    EvaluationPage,
    GatedMove,
    Move,
    PromoteRequest,
    PromotionPage,
    RollbackRequest,
    VersionEvaluation,
)
from service.api.examples.models import EXAMPLE_MANIFEST
from service.api.examples.scores import ANSWERS_CNN_N, CLASS_NAMES, LABELS_N, scores

_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_IMAGES = 200


def _evidence(manifest: Manifest, wrong: int) -> Evidence:
    """Made-up answers to 200 images, so many of which are wrong."""
    labels_N = np.arange(_IMAGES) % len(CLASS_NAMES)
    sure = 0.88
    right_N2 = np.where((np.arange(_IMAGES) < wrong)[:, np.newaxis], (1 - sure, sure), (sure, 1 - sure))
    probabilities_NK = np.where(labels_N[:, np.newaxis] == 0, right_N2, right_N2[:, ::-1]).astype(np.float32)
    predictions = SplitPredictions(np.arange(_IMAGES), labels_N, {"fp32": probabilities_NK})
    return Evidence(manifest, Path(), predictions, _corrupted(manifest, wrong))


def _corrupted(manifest: Manifest, wrong: int) -> CorruptedHoldout:
    """Made-up answers to the same images under one kind of corruption, three times as many of them wrong."""
    places_N = np.arange(_IMAGES)
    return CorruptedHoldout(
        model=ReportedModel(family=manifest.family, version=manifest.version, architecture="cnn", weights="3f" * 32),
        data=ReportedData(name="cifar10", digest="3f" * 32, images=_IMAGES, seed=None),
        split_digest="3f" * 32,
        seed=0,
        conditions=(CorruptedCondition.of("gaussian_blur", 2, places_N >= 3 * wrong, places_N < wrong),),
    )


_REPORT = decide(
    _evidence(EXAMPLE_MANIFEST.model_copy(update={"version": 2}), wrong=30),
    _evidence(EXAMPLE_MANIFEST, wrong=12),
    Costs(Latency(ConfidenceInterval(value=1.31, low=1.30, high=1.32), 2.6, 1.99), 8_600_000, 6_500_000),
    GateThresholds(),
)
_PROMOTION = Promotion(
    entry=7,
    at=_AT,
    family="cnn",
    action="promote",
    from_version=2,
    to_version=3,
    actor="key 1f6b0c2d (admin)",
    reason="better on the holdout",
    evidence={"policy": "if_better", "forced": False, "gate": _REPORT.model_dump(mode="json")},
)
_ROLLBACK = Promotion(
    entry=8,
    at=_AT,
    family="cnn",
    action="rollback",
    from_version=3,
    to_version=2,
    actor="key 1f6b0c2d (admin)",
    reason="worse at night",
)

GATE_EXAMPLE: Any = _REPORT.model_dump(mode="json")

PROMOTE_REQUEST: Any = PromoteRequest(reason="better on the holdout").model_dump(mode="json")
ROLLBACK_REQUEST: Any = RollbackRequest(reason="worse at night").model_dump(mode="json")

PROMOTE_EXAMPLE: Any = GatedMove(
    promotion=_PROMOTION,
    served=True,
    serving=ModelReadiness(model="cnn", champion=3, served=3, reason=None),
    gate=_REPORT,
).model_dump(mode="json")

ROLLBACK_EXAMPLE: Any = Move(
    promotion=_ROLLBACK, served=True, serving=ModelReadiness(model="cnn", champion=2, served=2, reason=None)
).model_dump(mode="json")

PROMOTIONS_EXAMPLE: Any = PromotionPage(promotions=(_ROLLBACK, _PROMOTION), next_cursor=7).model_dump(mode="json")

_EVALUATION = Evaluation(
    data=EvaluatedData(name="cifar10", split="test", digest="3f" * 32, images=len(LABELS_N)),
    class_names=CLASS_NAMES,
    scores={"fp32": scores(ANSWERS_CNN_N)},
)

EVALUATIONS_EXAMPLE: Any = EvaluationPage(
    model="cnn",
    version=3,
    evaluations=(
        VersionEvaluation(job=None, created_at=_AT, evaluation=_EVALUATION, differences=None),
        VersionEvaluation(job="0d3f5a7c9b1e4f60", created_at=_AT, evaluation=_EVALUATION, differences=()),
    ),
    next_cursor=None,
).model_dump(mode="json")
