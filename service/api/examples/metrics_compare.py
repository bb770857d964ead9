"""What GET /metrics/compare answers, as OpenAPI shows it: eight pictures of a cat or a dog, made of the real models."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.comparison.pairwise import ProbabilityScores, compare_predictions
from core.comparison.robustness import RobustnessComparison, RobustnessCondition, RobustnessLevel
from core.comparison.schemas import EvaluatedModel, MetricsComparison
from core.comparison.significance import significance
from core.records.base import ReportedData, ReportedModel
from core.records.latency import Latency, Timing
from core.records.robustness import RobustnessDifference
from core.repository.confidence_interval import ConfidenceInterval
from core.repository.evaluation import EvaluatedData
from core.repository.manifest import QuantizationRecord
from core.repository.predictions import SplitPredictions
from service.api.examples.models import EXAMPLE_MANIFEST
from service.api.examples.scores import ANSWERS_CNN_N, ANSWERS_MLP_N, CLASS_NAMES, LABELS_N, Labels, scores

_DIGEST = "3f" * 32
_FEW = 50  # resamples, because this is made whenever a process starts


def _answers(answers_N: Labels) -> SplitPredictions:
    probabilities_NK = np.where(np.eye(2)[answers_N] == 1, 0.8, 0.2).astype(np.float32)
    return SplitPredictions(np.arange(len(LABELS_N)), LABELS_N, {"fp32": probabilities_NK})


def _side(name: str, version: int, answers_N: Labels, probability: ProbabilityScores) -> EvaluatedModel:
    manifest = EXAMPLE_MANIFEST
    return EvaluatedModel(
        model=name,
        version=version,
        precision="fp32",
        champion=True,
        architecture="mlp" if name == "mlp" else "cnn",
        recipe=f"{name}_baseline",
        created_at=manifest.created_at,
        scores=scores(answers_N),
        probability=probability,
        cost=manifest.cost,
        environment=manifest.environment,
        files={"model.onnx": 48_213, "weights.safetensors": 8_571_324},
        served_bytes=8_619_537,
        quantization=QuantizationRecord(
            method="static, per channel",
            calibration_images=1000,
            speedup_batch_1=1.9,
            speedup_batch_32=2.4,
            holdout_difference=_about(-0.001, 0.002),
            published=True,
            verdict="published: faster and not worse",
        ),
        latency=Latency(
            model=ReportedModel(family=name, version=version, architecture="cnn", weights=_DIGEST),
            cpu="a processor",
            onnxruntime="1.23.0",
            timings=(Timing(precision="fp32", batch=1, ms=_about(2.6, 0.1), runs=200),),
        ),
    )


def _about(value: float, margin: float = 0.02) -> ConfidenceInterval:
    return ConfidenceInterval(value=value, low=round(value - margin, 6), high=round(value + margin, 6))


def _mean(name: str) -> RobustnessDifference:
    return RobustnessDifference(
        name=name,
        first=_about(0.41),
        second=_about(0.63),
        difference=_about(-0.22),
        kept_difference=_about(0.08),
    )


_ROBUSTNESS = RobustnessComparison(
    benchmark="CIFAR-10-C (regenerated)",
    left_out=("frost: it needs photographs",),
    data=ReportedData(name="cifar10", digest=_DIGEST, images=2000, seed=0),
    first_clean=_about(0.6),
    second_clean=_about(0.9),
    all_corruptions=_mean("all corruptions"),
    first_flag_rate=0.06,
    second_flag_rate=0.04,
    conditions=(
        RobustnessCondition(
            name="gaussian_noise",
            kind="noise",
            mean=_mean("gaussian_noise"),
            levels=(
                RobustnessLevel(level=1, setting="sigma 0.04", first=_about(0.55), second=_about(0.82)),
                RobustnessLevel(level=2, setting="sigma 0.06", first=_about(0.27), second=_about(0.44)),
            ),
        ),
    ),
)
_DATA = EvaluatedData(name="cifar10", split="test", digest=_DIGEST, images=len(LABELS_N))
_PAIRWISE = compare_predictions(
    (_DATA, _DATA),
    (CLASS_NAMES, CLASS_NAMES),
    (_answers(ANSWERS_MLP_N), _answers(ANSWERS_CNN_N)),
    resamples=_FEW,
)


def _rounded(value: Any) -> Any:
    """To six digits: the last ones of a bootstrap hang on the processor, and openapi.json shall not."""
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return round(value, 6) if isinstance(value, float) else value


METRICS_COMPARE_EXAMPLE: Any = _rounded(
    MetricsComparison(
        data=_DATA,
        class_names=CLASS_NAMES,
        significance=significance("mlp@2", "cnn@3", _PAIRWISE),
        first=_side("mlp", 2, ANSWERS_MLP_N, _PAIRWISE.first),
        second=_side("cnn", 3, ANSWERS_CNN_N, _PAIRWISE.second),
        paired=_PAIRWISE.paired,
        log_loss_difference=_PAIRWISE.log_loss_difference,
        brier_difference=_PAIRWISE.brier_difference,
        ece_difference=_PAIRWISE.ece_difference,
        per_class=_PAIRWISE.per_class,
        robustness=_ROBUSTNESS,
        notes=(),
    ).model_dump(mode="json")
)
