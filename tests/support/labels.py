"""Label events and uncertain records for tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from service.labels.choice import is_chosen
from service.labels.events import LabelEvent, LabelledAnswer, key_of_record
from service.traffic.record import CapturedRequest
from tests.support.traffic import answer, captured


def event(record: CapturedRequest | None = None, **changes: Any) -> LabelEvent:
    """A label event of a record; by default a person's label from the queue."""
    record = record or captured()
    values: dict[str, Any] = {
        "kind": "label",
        "id": record.id,
        "recorded": record.time.timestamp(),
        "origin": record.origin,
        "trial": record.trial,
        "label": "cat",
        "source": "queue",
        "by": "ann",
        "time": 100.0,
        "probability": 0.5,
        "capture_probability": record.inclusion_probability,
        "answers": tuple(map(LabelledAnswer.of, record.answers)),
    }
    return LabelEvent(**(values | changes))


def certain(request_id: str, label: str = "cat", **changes: Any) -> CapturedRequest:
    """A record on which the only model is certain, so that it is chosen with the smallest probability."""
    probabilities = np.array([1.0, 0.0] if label == "cat" else [0.0, 1.0], np.float32)
    return captured(request_id, answers=(answer(label=label, probabilities_K=probabilities),), **changes)


def disputed(request_id: str, **changes: Any) -> CapturedRequest:
    """A record on which two models disagree, so that it is always chosen. Each has another picture."""
    pixels = np.random.default_rng(list(request_id.encode())).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return captured(request_id, **({"image": pixels} | changes))


def not_chosen(count: int = 1) -> list[CapturedRequest]:
    """Records that are not chosen for labelling."""
    records = (certain(f"certain-{number}") for number in range(1000))
    return [record for record in records if not is_chosen(key_of_record(record), 0.2)][:count]
