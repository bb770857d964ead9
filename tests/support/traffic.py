"""Captured requests for tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from service.traffic.record import Answer, CapturedRequest, encode
from service.traffic.segments import Segment, segments_folder

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def answer(family: str = "cnn", version: int = 1, label: str = "cat", **changes: Any) -> Answer:
    """An answer with two classes; the predicted one has the probability 0.75."""
    labels = ("cat", "dog")
    probabilities = [0.75 if name == label else 0.25 for name in labels]
    values: dict[str, Any] = {
        "family": family,
        "version": version,
        "precision": "fp32",
        "labels": labels,
        "probabilities_K": np.array(probabilities, np.float32),
        "prediction_set": (label,),
        "energy": -3.5,
        "flagged": False,
    }
    return Answer(**(values | changes))


def captured(request_id: str = "one", **changes: Any) -> CapturedRequest:
    """A record of one image."""
    values: dict[str, Any] = {
        "request_id": request_id,
        "index": 0,
        "images": 1,
        "time": AT,
        "route": "predict",
        "inclusion_probability": 0.1,
        "image": np.arange(48, dtype=np.uint8).reshape(4, 4, 3),
        "answers": (answer(), answer("mlp", 2, "dog", in_response=False)),
    }
    return CapturedRequest(**(values | changes))


def write_segment(home: Path, records: Sequence[CapturedRequest]) -> Path:
    """Write a closed segment with these records."""
    segment = Segment(segments_folder(home))
    segment.append([encode(record) for record in records])
    segment.close()
    return segment.path
