"""Weights on disk: one safetensors file that torch reads back and that ONNX graphs point into.

An ONNX graph may keep a tensor as (file, offset, length). A safetensors file is a header followed by raw
little-endian tensors, which is just what such a pointer needs, so a version's weights stand on disk once however
many graphs use them.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto
from safetensors.torch import load_file, save
from torch import Tensor

from core.errors import ExportError
from core.recipes import RecipeConfig
from core.repository.manifest import Manifest
from training.networks import Classifier, build_classifier

WEIGHTS_NAME = "weights.safetensors"
_INLINE_BYTES = 16_384
"""Tensors no larger than this may stay inside a graph: shapes, scalars, zero biases made by the exporter."""


def save_weights(classifier: Classifier, folder: Path) -> Path:
    """Write every weight and buffer to `folder`/weights.safetensors under its torch name.

    Raises:
        OSError: the file could not be written; the library's own writer says so in an error of another kind.
    """
    tensors = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in classifier.state_dict().items()
        if not name.endswith("num_batches_tracked")  # counts training steps; nothing reads it afterwards
    }
    path = folder / WEIGHTS_NAME
    path.write_bytes(save(tensors, metadata={"format": "pt"}))
    return path


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Every tensor of `folder`/weights.safetensors by its torch name, on the CPU."""
    tensors: dict[str, Tensor] = load_file(folder / WEIGHTS_NAME)
    return tensors


def load_weights(classifier: Classifier, folder: Path) -> None:
    """Load `folder`/weights.safetensors into `classifier`.

    Raises:
        RuntimeError: names or shapes do not fit the network.
    """
    missing, unexpected = classifier.load_state_dict(read_weights(folder), strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise RuntimeError(f"{folder / WEIGHTS_NAME} does not fit the network: missing {missing}, extra {unexpected}")


def point_into_weights(graph: onnx.ModelProto, weights: Path, prefix: str) -> None:
    """Replace the data of every initializer that is a tensor of `weights` by a pointer into that file, in place.

    Args:
        graph: its initializers are named `prefix` + torch name.
        weights: the safetensors file; the graph must be saved in the same folder.
        prefix: what the exporter put before the torch names.

    Raises:
        ExportError: an initializer differs from the tensor of its name, or a large one is in no file.
    """
    with weights.open("rb") as stream:
        (header_bytes,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(header_bytes))
        for initializer in graph.graph.initializer:
            entry = header.get(initializer.name.removeprefix(prefix))
            data = onnx.numpy_helper.to_array(initializer)
            if entry is None:
                if data.nbytes > _INLINE_BYTES:
                    raise ExportError(f"{initializer.name} ({data.nbytes} bytes) is not a weight of the network")
                continue
            start, end = entry["data_offsets"]
            offset = 8 + header_bytes + start
            stream.seek(offset)
            if not np.array_equal(np.frombuffer(stream.read(end - start), data.dtype), data.ravel()):
                raise ExportError(f"the exporter changed {initializer.name}; graph and weights would disagree")
            _make_external(initializer, weights.name, offset, end - start)


def _make_external(tensor: TensorProto, location: str, offset: int, length: int) -> None:
    tensor.ClearField("raw_data")
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    del tensor.external_data[:]
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))


def stored_classifier(manifest: Manifest, folder: Path) -> Classifier:
    """The network of a version with its weights, in evaluation mode on the CPU.

    Raises:
        RuntimeError: the weights do not fit the configuration in the manifest.
    """
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
