"""What every model looks like to the protocol: one input, three outputs, and parameters that say what these mean."""

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
"""The protocol's own name for an ONNX model that onnxruntime runs."""


def model_metadata(manifest: Manifest, versions: list[int], precision: Precision) -> ModelMetadata:
    """What the protocol says of a version.

    Args:
        manifest: of the version.
        versions: all that may be asked for.
        precision: the one that answers where a request names none.
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
        parameters={"version": str(manifest.version), "geometry": spec.geometry, **meaning(manifest, precision)},
    )


def meaning(manifest: Manifest, precision: Precision) -> dict[str, Parameter]:
    """The parameters of a version's answers.

    The protocol's parameters are single strings, numbers or booleans, so the class names are one string with a name
    per line, in the order of the logits, as in Triton's label files.
    """
    return {
        "precision": precision,
        "temperature": manifest.calibration[precision].temperature,
        "labels": "\n".join(manifest.class_names),
    }
