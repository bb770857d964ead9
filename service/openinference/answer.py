"""Response to an inference request: JSON and binary output tensors. N: images, K: classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from core.statistics.calibration import softmax
from service.engine.arrays import Floats
from service.engine.loaded_model import ModelVariant
from service.engine.postprocess import Outputs
from service.openinference.call import Call, OutputSpec
from service.openinference.contract import response_parameters


@dataclass(frozen=True, slots=True)
class Answer:
    """Body of a response.

    Attributes:
        content: JSON, followed by binary tensors if any.
        json_length: bytes of JSON; None without binary tensors.
    """

    content: bytes
    json_length: int | None


def answer_of(call: Call, served: ModelVariant, outputs: Outputs) -> Answer:
    """Encode the model's `outputs` for `call`."""
    described: list[dict[str, Any]] = []
    binary: list[bytes] = []
    for spec in call.outputs:
        values = _values(spec, served, outputs)
        tensor: dict[str, Any] = {
            "name": spec.name,
            "datatype": "FP32" if isinstance(values, np.ndarray) else "BYTES",
            "shape": _shape(spec, values, len(outputs.order)),
        }
        if spec.binary:
            packed = _packed(values)
            tensor["parameters"] = {"binary_data_size": len(packed)}
            binary.append(packed)
        else:
            tensor["data"] = values.ravel() if isinstance(values, np.ndarray) else values
        described.append(tensor)
    named = {} if call.id is None else {"id": call.id}
    answer = {
        "model_name": served.family,
        "model_version": str(served.version),
        **named,
        "parameters": response_parameters(served.manifest, served.precision),
        "outputs": described,
    }
    json = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    return Answer(b"".join((json, *binary)), len(json)) if binary else Answer(json, None)


def _values(spec: OutputSpec, served: ModelVariant, outputs: Outputs) -> Floats | list[str]:
    """float32 [N, K], or the strings of BYTES in row-major order."""
    if spec.name == "label":
        return [served.labels[order[0]] for order in outputs.order]
    values_NK = outputs.logits_NK
    if spec.name == "probabilities":
        # Those of `outputs` are rounded: a small probability would be 0, with an infinite logarithm.
        values_NK = softmax(values_NK, served.calibration.temperature).astype(np.float32)
    if not spec.classes:
        return values_NK
    return [
        f"{values_K[k]:f}:{k}:{served.labels[k]}"
        for values_K, order in zip(values_NK.tolist(), outputs.order, strict=True)
        for k in order[: spec.classes]
    ]


def _shape(spec: OutputSpec, values: Floats | list[str], images: int) -> tuple[int, ...]:
    if isinstance(values, np.ndarray):
        return values.shape
    return (images, len(values) // images) if spec.classes else (images,)


def _packed(values: Floats | list[str]) -> bytes:
    """Encode as little-endian, row-major bytes; BYTES elements are prefixed with their 4-byte length."""
    if isinstance(values, np.ndarray):
        return values.astype("<f4", copy=False).tobytes()
    encoded = [value.encode() for value in values]
    return b"".join(len(each).to_bytes(4, "little") + each for each in encoded)
