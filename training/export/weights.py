"""Weights on disk: one safetensors file, shared by torch and by all ONNX graphs of a version.

An ONNX graph can store a tensor as external data (file, offset, length). A safetensors file is a header followed by raw
little-endian tensors, so the graphs refer to it and the weights are stored only once.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import onnx
from onnx.external_data_helper import set_external_data
from safetensors.torch import load_file, save
from torch import Tensor

from core.errors import ConfigurationError, ExportError
from core.recipes import RecipeConfig
from core.repository.manifest import Manifest
from training.networks import Classifier, build_classifier

WEIGHTS_NAME = "weights.safetensors"
_INLINE_BYTES = 16_384
"""Maximum size of tensors stored inside a graph: shapes, scalars, zero biases made by the exporter."""


def save_weights(classifier: Classifier, folder: Path) -> Path:
    """Write all parameters and buffers to `folder`/weights.safetensors under their torch names.

    Raises:
        OSError: the file cannot be written.
    """
    tensors = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in classifier.state_dict().items()
        if not name.endswith("num_batches_tracked")  # a step counter, unused after training
    }
    path = folder / WEIGHTS_NAME
    path.write_bytes(save(tensors, metadata={"format": "pt"}))  # `save_file` raises no OSError
    return path


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Read `folder`/weights.safetensors: tensors by torch name, on the CPU."""
    tensors: dict[str, Tensor] = load_file(folder / WEIGHTS_NAME)
    return tensors


def load_weights(classifier: Classifier, folder: Path) -> None:
    """Load `folder`/weights.safetensors into `classifier`.

    Raises:
        RuntimeError: names or shapes do not match the network.
    """
    missing, unexpected = classifier.load_state_dict(read_weights(folder), strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise RuntimeError(
            f"{folder / WEIGHTS_NAME} does not match the network: missing {missing}, unexpected {unexpected}"
        )


def point_into_weights(graph: onnx.ModelProto, weights: Path, prefix: str, *, inline_bytes: int = 0) -> None:
    """Turn every initializer that is stored in `weights` into external data in that file, in place.

    Args:
        graph: graph with initializers named `prefix` + torch name.
        weights: safetensors file. The graph must be saved to the same folder.
        prefix: prefix of the torch names in the graph.
        inline_bytes: maximum size of stored initializers that also remain in the graph.

    Raises:
        ExportError: an initializer differs from the stored tensor, or a large initializer is not a weight.
    """
    with weights.open("rb") as stream:
        (header_bytes,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(header_bytes))
        for initializer in graph.graph.initializer:
            entry = header.get(initializer.name.removeprefix(prefix))
            data = onnx.numpy_helper.to_array(initializer)
            if entry is None:
                if data.nbytes > _INLINE_BYTES:
                    raise ExportError(
                        f"{initializer.name} ({data.nbytes} bytes) is in the graph but is not a weight of the network: "
                        "the exporter folded constants"
                    )
                continue
            start, end = entry["data_offsets"]
            offset = 8 + header_bytes + start
            stream.seek(offset)
            if not np.array_equal(np.frombuffer(stream.read(end - start), data.dtype), data.ravel()):
                raise ExportError(f"the exporter changed {initializer.name}: the graph and {weights.name} differ")
            if data.nbytes > inline_bytes:
                set_external_data(initializer, weights.name, offset, end - start)
                initializer.ClearField("raw_data")


def stored_classifier(manifest: Manifest, folder: Path) -> Classifier:
    """Load the network of a version with its weights, in evaluation mode on the CPU.

    Raises:
        ConfigurationError: the version was imported as a graph.
        RuntimeError: the weights do not match the configuration in the manifest.
    """
    if manifest.architecture == "imported":
        raise ConfigurationError(
            f"{manifest.reference} was imported as an ONNX graph and has no torch network: use a version that was "
            "trained here"
        )
    spec = manifest.input
    classifier = build_classifier(
        RecipeConfig.model_validate(manifest.config).network,
        height=spec.height,
        width=spec.width,
        classes=len(manifest.class_names),
        mean=spec.mean,
        std=spec.std,
    )
    load_weights(classifier, folder)
    return classifier.eval()
