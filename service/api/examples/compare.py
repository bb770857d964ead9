"""The successful answers of POST /compare that OpenAPI shows."""

from __future__ import annotations

from typing import Any

from service.api.examples.models import COMPARE_EXAMPLE
from service.api.examples.saliency import SALIENCY_EXAMPLE

_EXPLAINED = {name: SALIENCY_EXAMPLE[name] for name in ("model", "version", "predicted", "target", "maps")}
_EXPLANATIONS = [
    {
        **_EXPLAINED,
        "model": prediction["model"],
        "version": prediction["version"],
        "picture": "data:image/png;base64,...",
    }
    for prediction in COMPARE_EXAMPLE["predictions"]
]
_HEADERS = {
    "X-Duet-Agree": ("`agree` of the JSON answer", "false"),
    "X-Duet-Divergence": ("`divergence` of the JSON answer", "0.214"),
    "X-Duet-Saliency": ("`saliency` of the JSON answer, less values and pictures", '[{"model": "mlp", "version": 2}]'),
}

COMPARE_SUCCESS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Every model's answer to the image; the headers come with a picture",
        "headers": {
            name: {"description": description, "schema": {"type": "string"}, "example": example}
            for name, (description, example) in _HEADERS.items()
        },
        "content": {
            "application/json": {
                "examples": {
                    "plain": {"value": COMPARE_EXAMPLE},
                    "explained": {"value": {**COMPARE_EXAMPLE, "saliency": _EXPLANATIONS}},
                }
            },
            "image/png": {"schema": {"type": "string", "format": "binary"}, "example": "\x89PNG..."},
        },
    }
}
