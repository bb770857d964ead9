"""Contract of an ONNX file from elsewhere: opset, operators, external data, one input of images, one output.

The file takes float32 [N, 3, H, W] or [N, H, W, 3], or uint8 pixels, and returns float32 [N, K], logits or
probabilities.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto
from onnx.external_data_helper import load_external_data_for_model, uses_external_data

from core.errors import DataError

MAX_BYTES = 512 * 1024 * 1024
"""Maximum size of the file with its external data."""
MIN_OPSET = 13
MIN_SIDE, MAX_SIDE = 8, 512
Pixels = npt.NDArray[np.float32] | npt.NDArray[np.uint8]
_STANDARD = frozenset({"", "ai.onnx"})


@dataclass(frozen=True, eq=False)
class SourceGraph:
    """A file that fulfils the contract.

    Attributes:
        path: the file.
        model: its content, with external data loaded.
        side: height and width of the input in pixels.
        layout: order of the input's axes.
        dtype: type of the input; uint8 pixels need no scaling.
    """

    path: Path
    model: onnx.ModelProto
    side: int
    layout: Literal["NCHW", "NHWC"]
    dtype: Literal["float32", "uint8"]

    @property
    def input(self) -> str:
        """Name of the input."""
        return str(graph_inputs(self.model.graph)[0].name)

    @property
    def output(self) -> str:
        """Name of the output."""
        return str(self.model.graph.output[0].name)

    def prepared(self, images_NHWC: npt.NDArray[np.uint8], mean: Sequence[float], std: Sequence[float]) -> Pixels:
        """The input for images uint8 [N, H, W, 3]: (images / 255 - mean) / std in the layout of the graph."""
        if self.dtype == "float32":
            pixels_NHWC = (images_NHWC.astype(np.float64) / 255 - np.array(mean)) / np.array(std)
            scaled_NHWC: Pixels = pixels_NHWC.astype(np.float32)
        else:
            scaled_NHWC = images_NHWC
        if self.layout == "NCHW":
            scaled_NHWC = scaled_NHWC.transpose(0, 3, 1, 2)
        return scaled_NHWC


def read_graph(path: Path) -> SourceGraph:
    """Read an ONNX file and check the contract.

    Raises:
        DataError: the file breaks the contract; the message says how.
    """
    try:
        size = path.stat().st_size
        model = onnx.load(path, load_external_data=False) if size <= MAX_BYTES else None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except Exception as error:  # protobuf, which has no type stubs, raises DecodeError
        raise DataError(f"{path} is not an ONNX file: export the model with torch.onnx.export") from error
    if model is None:
        raise DataError(f"{path} is larger than {MAX_BYTES:,} bytes")
    _check_nodes(model, path)
    _load_external(model, path, size)
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # the checker has several kinds of errors
        raise DataError(f"{path} is not a valid ONNX graph: {str(error).strip().splitlines()[0]}") from error
    side, layout, dtype = _input_of(model, path)
    _check_output(model, path)
    return SourceGraph(path, model, side, layout, dtype)


def _check_nodes(model: onnx.ModelProto, path: Path) -> None:
    nodes = [node for graph in _graphs(model.graph) for node in graph.node]
    custom = sorted({f"{node.domain}.{node.op_type}" for node in nodes if node.domain not in _STANDARD})
    if custom or model.functions:
        named = ", ".join(custom) or "local functions"
        raise DataError(f"{path} has custom operators ({named}): export it with standard ONNX operators")
    opset = max((one.version for one in model.opset_import if one.domain in _STANDARD), default=0)
    newest = onnx.defs.onnx_opset_version()
    if not MIN_OPSET <= opset <= newest:
        raise DataError(f"{path} has opset {opset}, supported are {MIN_OPSET} to {newest}: export it with one of them")


def _load_external(model: onnx.ModelProto, path: Path, size: int) -> None:
    """Load external data, whose files must lie in the folder of the graph."""
    folder, files = path.absolute().parent, set()
    for tensor in (tensor for graph in _graphs(model.graph) for tensor in _tensors(graph)):
        if not uses_external_data(tensor):
            continue
        location = next((one.value for one in tensor.external_data if one.key == "location"), "")
        pure = PurePosixPath(location.replace("\\", "/"))
        steps = [folder.joinpath(*pure.parts[:depth]) for depth in range(1, len(pure.parts) + 1)]
        if not location or pure.is_absolute() or ".." in pure.parts or any(step.is_symlink() for step in steps):
            raise DataError(f"{path} names data outside of its folder ({location!r}): keep all files in one folder")
        if not (folder / pure).is_file():
            raise DataError(f"{path} lacks its file {location}: put it beside the graph")
        files.add(folder / pure)
    if size + sum(file.stat().st_size for file in files) > MAX_BYTES:
        raise DataError(f"{path} and its data are larger than {MAX_BYTES:,} bytes")
    if files:
        try:
            load_external_data_for_model(model, str(folder))
        except Exception as error:  # OSError, ValueError or an error of the checker
            raise DataError(
                f"the data of {path} cannot be read ({str(error).strip().splitlines()[0]}): copy all its files again"
            ) from error


def _input_of(model: onnx.ModelProto, path: Path) -> tuple[int, Literal["NCHW", "NHWC"], Literal["float32", "uint8"]]:
    inputs = graph_inputs(model.graph)
    if len(inputs) != 1:
        raise DataError(f"{path} has {len(inputs)} inputs, it must have one: the images")
    tensor = inputs[0].type.tensor_type
    types: dict[int, Literal["float32", "uint8"]] = {TensorProto.FLOAT: "float32", TensorProto.UINT8: "uint8"}
    dims = [dim.dim_value for dim in tensor.shape.dim]
    wanted = "float32 or uint8 [N, 3, H, W] or [N, H, W, 3]"
    if tensor.elem_type not in types or len(dims) != 4 or 3 not in (dims[1], dims[3]):
        raise DataError(f"{path} takes {TensorProto.DataType.Name(tensor.elem_type)} {dims}, it must take {wanted}")
    if dims[0]:
        raise DataError(f"{path} takes batches of {dims[0]} images only: export it with a dynamic batch size")
    layout: Literal["NCHW", "NHWC"] = "NCHW" if dims[1] == 3 else "NHWC"
    height, width = dims[2:] if layout == "NCHW" else dims[1:3]
    if height != width or not MIN_SIDE <= height <= MAX_SIDE:
        raise DataError(
            f"{path} takes images of {width or '?'}x{height or '?'} pixels: export it with a fixed square size of "
            f"{MIN_SIDE} to {MAX_SIDE}"
        )
    return height, layout, types[tensor.elem_type]


def _check_output(model: onnx.ModelProto, path: Path) -> None:
    outputs = model.graph.output
    if len(outputs) != 1:
        raise DataError(f"{path} has {len(outputs)} outputs, it must have one: the logits or probabilities")
    tensor = outputs[0].type.tensor_type
    if tensor.elem_type != TensorProto.FLOAT or (tensor.HasField("shape") and len(tensor.shape.dim) != 2):
        raise DataError(f"{path} must return float32 [N, K], one logit or probability for each class")


def graph_inputs(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    """Inputs of a graph that are not weights."""
    stored = {one.name for one in graph.initializer}
    return [one for one in graph.input if one.name not in stored]


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph and its sub-graphs."""
    yield graph
    for attribute in _attributes(graph):
        for inner in (attribute.g, *attribute.graphs) if attribute.HasField("g") else attribute.graphs:
            yield from _graphs(inner)


def _attributes(graph: onnx.GraphProto) -> Iterator[onnx.AttributeProto]:
    return (attribute for node in graph.node for attribute in node.attribute)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """The tensors of one graph, without its sub-graphs."""
    yield from graph.initializer
    for attribute in _attributes(graph):
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
