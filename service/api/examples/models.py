"""The answers that OpenAPI shows, made of the real models, so that an example can never break its schema."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from core.repository.manifest import (
    Calibration,
    CostRecord,
    DataRecord,
    EnvironmentRecord,
    FileRecord,
    HeadlineMetrics,
    InputSpec,
    LicenceRecord,
    Manifest,
    ParityRecord,
)
from core.schemas.api import (
    ClassProbability,
    CompareResponse,
    ModelReadiness,
    OutOfDistribution,
    Prediction,
    PredictResponse,
    Readiness,
    Timing,
)
from core.schemas.models import ModelDetail, ModelList, ModelSummary, VersionDetail, VersionSummary
from core.statistics.proportions import proportion
from service.api.examples.scores import CLASS_NAMES
from service.errors import EXAMPLE_REQUEST_ID

_TIMING = Timing(decode=0.4, queue=0.1, inference=2.6, total=3.4)
_DIGEST = "3f" * 32

_CNN = Prediction(
    filename="rex.png",
    model="cnn",
    version=3,
    precision="fp32",
    label="dog",
    probability=0.91,
    top=(
        ClassProbability(label="dog", probability=0.91),
        ClassProbability(label="cat", probability=0.07),
        ClassProbability(label="horse", probability=0.01),
    ),
    prediction_set=("dog", "cat"),
    coverage=0.99,
    out_of_distribution=OutOfDistribution(score=-7.4, threshold=-3.1, flag=False),
    notes=("resized from 640x480", "rotated by EXIF orientation 6"),
)
_MLP = _CNN.model_copy(
    update={
        "model": "mlp",
        "version": 2,
        "label": "cat",
        "probability": 0.48,
        "top": (
            ClassProbability(label="cat", probability=0.48),
            ClassProbability(label="dog", probability=0.37),
            ClassProbability(label="deer", probability=0.06),
        ),
        "prediction_set": ("cat", "dog", "deer"),
    }
)
_METRICS = HeadlineMetrics(
    test_accuracy=0.94,
    test_macro_f1=0.94,
    test_log_loss=0.19,
    test_ece=0.008,
    holdout_accuracy=0.941,
    validation_accuracy=0.943,
)
_COST = CostRecord(parameters=2_000_000, macs=118_000_000, training_seconds=900.0, epochs=20)
EXAMPLE_MANIFEST = Manifest(
    family="cnn",
    version=3,
    created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    architecture="cnn",
    class_names=CLASS_NAMES,
    input=InputSpec(height=32, width=32, mean=(0.491, 0.482, 0.447), std=(0.247, 0.243, 0.262)),
    recipe="cnn_baseline",
    config={"recipe": "cnn_baseline", "epochs": 20, "seed": 0},
    seed=0,
    source_digest=_DIGEST,
    data=DataRecord(
        name="cifar10",
        digest=_DIGEST,
        split_digest=_DIGEST,
        counts={"train": 40_000, "validation": 5_000, "holdout": 5_000, "test": 10_000},
    ),
    environment=EnvironmentRecord(
        python="3.11.7",
        torch="2.9.0",
        numpy="2.1.0",
        onnxruntime="1.23.0",
        platform="Linux",
        cpu="a processor",
        device="cpu",
        threads=2,
        dtype="float32",
    ),
    licence=LicenceRecord(weights="Apache-2.0", data="as its authors state", provenance="trained by `duet train`"),
    cost=_COST,
    calibration={
        "fp32": Calibration(
            temperature=1.2, coverage=0.99, conformal_threshold=0.02, ood_threshold=-3.1, ood_flag_rate=0.05
        )
    },
    metrics=_METRICS,
    parity=ParityRecord(images=10_000, max_abs_logit_difference=2e-5, argmax_mismatches=0),
    files={"model.onnx": FileRecord(sha256=_DIGEST, bytes=48_213)},
)

PREDICT_EXAMPLE: Any = PredictResponse(
    predictions=(_CNN,), timing_ms=_TIMING, request_id=EXAMPLE_REQUEST_ID
).model_dump(mode="json")

COMPARE_EXAMPLE: Any = CompareResponse(
    predictions=(_MLP, _CNN), agree=False, divergence=0.214, timing_ms=_TIMING, request_id=EXAMPLE_REQUEST_ID
).model_dump(mode="json", exclude_none=True)

MODELS_EXAMPLE: Any = ModelList(
    models=(
        ModelSummary(model="cnn", champion=3, versions=(1, 2, 3)),
        ModelSummary(model="mlp", champion=2, versions=(1, 2)),
    )
).model_dump(mode="json")

MODEL_EXAMPLE: Any = ModelDetail(
    model="cnn",
    champion=3,
    versions=(
        VersionSummary(
            version=3,
            champion=True,
            layer="home",
            created_at=EXAMPLE_MANIFEST.created_at,
            recipe=EXAMPLE_MANIFEST.recipe,
            metrics=_METRICS,
            test_accuracy=proportion(round(_METRICS.test_accuracy * 10_000), 10_000),
            cost=_COST,
            refused=None,
        ),
    ),
).model_dump(mode="json")

VERSION_EXAMPLE: Any = VersionDetail(
    model="cnn", version=3, champion=True, layer="home", manifest=EXAMPLE_MANIFEST
).model_dump(mode="json")

READY_EXAMPLE: Any = Readiness(
    state="degraded",
    models=(
        ModelReadiness(
            model="cnn", champion=4, served=3, reason="cnn@4: weights.safetensors: 9 bytes instead of 8571324"
        ),
        ModelReadiness(model="mlp", champion=2, served=2, reason=None),
    ),
).model_dump(mode="json")
