"""The successful answers of POST /saliency that OpenAPI shows."""

from __future__ import annotations

from typing import Any

from core.schemas.api import Completeness, SaliencyMap, SaliencyResponse, SaliencyTarget, SaliencyTiming
from service.errors import EXAMPLE_REQUEST_ID

SALIENCY_EXAMPLE: Any = SaliencyResponse(
    filename="rex.png",
    model="cnn",
    version=3,
    predicted="dog",
    target=SaliencyTarget(label="dog", index=5, logit=7.31, probability=0.91),
    maps=(
        SaliencyMap(
            method="integrated_gradients",
            parameters={"steps": 32, "baseline": "black"},
            signed=True,
            minimum=-0.21,
            maximum=0.48,
            flat=False,
            completeness=Completeness(attributed=8.02, expected=8.04, gap=0.02, relative_gap=0.0025),
            values=((-0.21, 0.0), (0.13, 0.48)),
        ),
    ),
    notes=("resized from 640x480",),
    timing_ms=SaliencyTiming(queue=0.4, inference=143.2, total=151.7),
    request_id=EXAMPLE_REQUEST_ID,
).model_dump(mode="json")

_HEADERS = {
    "X-Duet-Model": ("the version that was explained", "cnn@3"),
    "X-Duet-Predicted": ("label of the most probable class, percent-encoded", "dog"),
    "X-Duet-Target": ("label of the class that was explained, percent-encoded", "dog"),
    "X-Duet-Target-Facts": ("`target` of the JSON answer", '{"label": "dog", "index": 5}'),
    "X-Duet-Maps": ("`maps` of the JSON answer, less the values", '[{"method": "saliency", "flat": false}]'),
    "X-Duet-Notes": ("what was done to the image before the model saw it", '["resized from 640x480"]'),
}

SALIENCY_SUCCESS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The maps, in the format asked for; the headers come with PNG and NumPy arrays",
        "headers": {
            name: {"description": description, "schema": {"type": "string"}, "example": example}
            for name, (description, example) in _HEADERS.items()
        },
        "content": {
            "image/png": {"schema": {"type": "string", "format": "binary"}, "example": "\x89PNG..."},
            "application/x-npy": {"schema": {"type": "string", "format": "binary"}, "example": "\x93NUMPY..."},
            "application/json": {"example": SALIENCY_EXAMPLE},
        },
    }
}
