"""Tensor contract of every model: one input, three outputs, and parameters that describe them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

from core.repository.manifest import Manifest, Precision
from service.openinference.messages import ModelMetadata, Parameter, TensorMetadata

OutputName: TypeAlias = Literal["logits", "probabilities", "label"]
Datatype: TypeAlias = Literal["FP32", "BYTES"]

INPUT = "images"
INPUT_DATATYPE = "UINT8"
OUTPUTS: Mapping[OutputName, Datatype] = MappingProxyType({"logits": "FP32", "probabilities": "FP32", "label": "BYTES"})
EXTENSIONS = ("binary_tensor_data", "classification", "parameters")
PLATFORM = "onnx_onnxv1"
"""Platform name of an ONNX model in onnxruntime, defined by the protocol."""


def model_metadata(manifest: Manifest, versions: list[int], precision: Precision | None) -> ModelMetadata:
    """Model metadata of a version.

    Args:
        manifest: manifest of the version.
        versions: all available versions.
        precision: default precision of requests; None if it is decided when the version is loaded.
    """
    spec, classes = manifest.input, len(manifest.class_names)
    shapes: Mapping[OutputName, tuple[int, ...]] = {
        "logits": (-1, classes),
        "probabilities": (-1, classes),
        "label": (-1,),
    }
    images = TensorMetadata(name=INPUT, datatype=INPUT_DATATYPE, shape=(-1, spec.height, spec.width, spec.channels))
    return ModelMetadata(
        name=manifest.family,
        versions=tuple(str(version) for version in versions),
        platform=PLATFORM,
        inputs=(images,),
        outputs=tuple(TensorMetadata(name=name, datatype=OUTPUTS[name], shape=shapes[name]) for name in OUTPUTS),
        parameters={
            "version": str(manifest.version),
            "geometry": spec.geometry,
            **response_parameters(manifest, precision),
        },
    )


def response_parameters(manifest: Manifest, precision: Precision | None) -> dict[str, Parameter]:
    """Parameters of a version's responses.

    The protocol allows only strings, numbers and booleans, so the class names are one string with a name per line, in
    the order of the logits, as in Triton's label files.
    """
    known: dict[str, Parameter] = {} if precision is None else {"precision": precision}
    return {
        **known,
        "temperature": manifest.calibration_of(precision or "fp32").temperature,
        "labels": "\n".join(manifest.class_names),
    }
