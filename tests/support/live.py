"""Captured traffic and labels of the tiny ONNX versions, whose classes are grays, for tests of live figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from core.records.base import ReportedData, ReportedModel
from core.records.label_free import EstimatedCondition, LabelFree, LabelFreeFit
from core.repository.graph_records import Calibration
from core.repository.repository import ModelRepository
from core.sequential.disagreement import CorrectnessModel
from service.labels.events import LabelEvent, LabelledAnswer
from service.labels.files import LabelWriter
from service.traffic.record import Answer, CapturedRequest
from tests.support.children import wait_until
from tests.support.holdouts import GRAY_LABELS_N, predictions_file
from tests.support.onnx_models import CLASSES, write_onnx_version
from tests.support.service import set_champions
from tests.support.traffic import AT, captured
from tests.support.versions import make_manifest

HOLDOUT_IMAGES = len(GRAY_LABELS_N)
CALIBRATION = Calibration(
    temperature=1.25, coverage=0.99, conformal_threshold=0.2, ood_threshold=-1.0, ood_flag_rate=0.05
)


def write_live_home(home: Path, *, holdout_images: int = HOLDOUT_IMAGES) -> Path:
    """Write the champions cnn@1 and mlp@1 with a holdout of equally many images of each class, nine of ten right."""
    models = home / "models"
    labels_N = np.repeat(np.arange(len(CLASSES)), holdout_images // len(CLASSES))
    data = make_manifest().data.model_copy(
        update={"counts": {"train": 40, "validation": 5, "holdout": len(labels_N), "test": 10}}
    )
    for family in ("cnn", "mlp"):
        folder = models / family / "1"
        content = predictions_file(folder, np.ones(len(labels_N), bool), labels_N)
        write_onnx_version(
            folder, family, 1, extra_files={"predictions.npz": content}, calibration={"fp32": CALIBRATION}, data=data
        )
    set_champions(models, cnn=1, mlp=1)
    return models


def label_free_record(repository: ModelRepository) -> LabelFree:
    """Record of label-free accuracy of mlp@1 and cnn@1: 3 points of error under corruptions, 10 under rotation."""
    manifests = [repository.manifest(family, 1) for family in ("mlp", "cnn")]
    data = ReportedData(name="grays", digest=manifests[0].data.digest, images=100, seed=None)
    conditions = (
        EstimatedCondition(name="fog", kind="weather", level=1, accuracy=0.8, estimate=0.84),
        EstimatedCondition(name="frost", kind="weather", level=1, accuracy=0.8, estimate=0.78),
        EstimatedCondition(name="rotation", kind="rotation", level=5, accuracy=0.8, estimate=0.9),
    )
    fits = [
        LabelFreeFit(
            model=ReportedModel.of(manifest),
            candidates=(),
            correctness=CorrectnessModel(inputs="confidence and agreement", weights=weights),
            conditions=conditions,
        )
        for manifest, weights in zip(manifests, ((0.1, 0.5, 0.2), (0.3, 0.8, 0.4)), strict=True)
    ]
    return LabelFree(data=data, holdout=data, seed=0, fits=(fits[0], fits[1]))


def wait_for_figures(url: str, images: int) -> None:
    """Wait until the live figures of a service cover this many images; the test's timeout limits the wait."""
    wait_until(lambda: httpx.get(f"{url}/metrics/live").json()["images"] == images)


def gray_answer(label: str, family: str = "cnn", *, confidence: float = 0.9, **changes: Any) -> Answer:
    """An answer of one of these versions."""
    probabilities_K = np.full(len(CLASSES), (1 - confidence) / (len(CLASSES) - 1), np.float32)
    probabilities_K[CLASSES.index(label)] = confidence
    values: dict[str, Any] = {
        "family": family,
        "version": 1,
        "precision": "fp32",
        "labels": CLASSES,
        "probabilities_K": probabilities_K,
        "prediction_set": (label,),
        "energy": -3.0,
        "flagged": False,
    }
    return Answer(**(values | changes))


def gray_requests(labels: Iterable[str], *, start: int = 0, **changes: Any) -> list[CapturedRequest]:
    """A request for each predicted class, one second after the other; the ids are `r<number>`. One of 20 is flagged."""
    return [
        captured(
            f"r{number}",
            time=AT + timedelta(seconds=number),
            answers=(
                gray_answer(label, flagged=number % 20 == 7),
                gray_answer(label, "mlp", in_response=False, flagged=number % 20 == 7),
            ),
            **changes,
        )
        for number, label in enumerate(labels, start=start)
    ]


def usual_mix(images: int) -> list[str]:
    """Predicted classes with the shares of the holdout, in a random order."""
    random = np.random.default_rng(0)
    return [CLASSES[k] for k in random.permutation(np.arange(images) % len(CLASSES))]


def write_labels(
    home: Path, records: Sequence[CapturedRequest], labels: Sequence[str | None], *, time: float = 0.0, **changes: Any
) -> None:
    """Append labels of these records, one second after the other, as people give them to the random queue."""
    events = [
        LabelEvent(
            **{
                "kind": "label",
                "id": record.id,
                "recorded": record.time.timestamp(),
                "origin": "capture",
                "label": label,
                "source": "queue",
                "by": "tests",
                "time": time + number,
                "probability": 0.5,
                "capture_probability": record.inclusion_probability,
                "answers": tuple(map(LabelledAnswer.of, record.answers)),
            }
            | changes
        )
        for number, (record, label) in enumerate(zip(records, labels, strict=True))
    ]
    writer = LabelWriter(home)
    writer.append(events)
    writer.close()
