"""Export of a trained network to weights.safetensors and model.onnx."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import onnx
import torch
from onnxscript import optimizer
from torch import Tensor, nn

from core.repository.manifest import GRAPHS
from training.data.preprocessing import scale_pixels
from training.export.weights import point_into_weights, save_weights
from training.networks import Classifier


class _Served(nn.Module):
    """The computation of model.onnx: images uint8 [N, H, W, 3] -> logits float32 [N, K]."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(scale_pixels(images))
        return logits


def export_model(classifier: Classifier, folder: Path, *, height: int, width: int) -> None:
    """Write weights.safetensors and model.onnx to `folder`.

    model.onnx maps `images` uint8 [N, H, W, 3] to `logits` float32 [N, K]. It includes scaling and normalization, and
    refers to weights.safetensors for its weights.

    Raises:
        ExportError: the exporter changed a weight.
    """
    weights = save_weights(classifier, folder)
    images_NHWC = torch.zeros(2, height, width, 3, dtype=torch.uint8)
    graph = to_onnx(_Served(classifier), {"images": images_NHWC}, outputs=["logits"])
    point_into_weights(graph, weights, "classifier.")
    onnx.save(graph, folder / GRAPHS["fp32"])
    onnx.checker.check_model(str(folder / GRAPHS["fp32"]), full_check=True)


def to_onnx(
    module: nn.Module,
    examples: Mapping[str, Tensor],
    *,
    outputs: Sequence[str],
    translations: Mapping[Callable[..., Any], Callable[..., Any]] = MappingProxyType({}),
) -> onnx.ModelProto:
    """Export `module` to an ONNX graph with a dynamic batch size and initializers named like the torch weights.

    torch's default optimization folds batch normalization into convolutions, which changes the weights. Only constants
    are folded here; onnxruntime fuses the rest when it loads the graph.

    Args:
        module: the module, in evaluation mode.
        examples: example arguments by input name, as a batch of at least two.
        outputs: output names.
        translations: custom ONNX translations of ATen operators.
    """
    batch = torch.export.Dim("N")
    weights = {name for name, _ in module.named_parameters()} | {name for name, _ in module.named_buffers()}
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # the exporter warns about its own deprecated internals
        program = torch.onnx.export(
            module,
            tuple(examples.values()),
            dynamo=True,
            optimize=False,
            verbose=False,
            input_names=list(examples),
            output_names=list(outputs),
            dynamic_shapes=tuple({0: batch} for _ in examples),
            custom_translation_table=dict(translations),
        )
        if program is None:
            raise RuntimeError("torch.onnx.export returned no program")
        optimizer.fold_constants(
            program.model,
            # Values computed from a weight are not folded: as constants they would duplicate it on disk.
            should_fold=lambda node: False if any(value and value.name in weights for value in node.inputs) else None,
        )
        optimizer.remove_unused_nodes(program.model)
        graph = program.model_proto
    for value in (*graph.graph.input, *graph.graph.output, *graph.graph.node):
        del value.metadata_props[:]  # source file names and lines of this machine
    del graph.metadata_props[:]
    return graph
