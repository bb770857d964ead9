"""From a trained network to the files that are served: weights.safetensors and model.onnx."""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path

import onnx
import torch
from onnxscript import optimizer
from torch import Tensor, nn

from training.networks import Classifier
from training.preprocessing import scale_pixels
from training.weights import point_into_weights, save_weights

MODEL_NAME = "model.onnx"


class _Served(nn.Module):
    """uint8 images [N, H, W, 3] -> logits float32 [N, K]; what model.onnx computes."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(scale_pixels(images))
        return logits


def export_model(classifier: Classifier, folder: Path, *, height: int, width: int) -> None:
    """Write weights.safetensors and model.onnx, `images` uint8 [N, H, W, 3] -> `logits` float32 [N, K], to `folder`.

    Scaling and normalisation are inside the graph; the weights are not: it points into weights.safetensors.

    Raises:
        ExportError: the exporter changed a weight.
    """
    weights = save_weights(classifier, folder)
    graph = trace(_Served(classifier), height=height, width=width)
    point_into_weights(graph, weights, "classifier.")
    onnx.save(graph, folder / MODEL_NAME)
    onnx.checker.check_model(str(folder / MODEL_NAME), full_check=True)


def trace(module: nn.Module, *, height: int, width: int) -> onnx.ModelProto:
    """The ONNX graph of `module` for any number of uint8 images, its weights under their torch names.

    torch's default clean-up would fold batch normalisation into the convolutions, and the graph's weights would no
    longer be the network's. Only constants are folded here; onnxruntime fuses the rest when it loads the graph.
    """
    example = torch.zeros(2, height, width, 3, dtype=torch.uint8)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # the exporter warns about its own deprecated internals
        program = torch.onnx.export(
            module,
            (example,),
            dynamo=True,
            optimize=False,
            verbose=False,
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes={"images": {0: torch.export.Dim("N")}},
        )
        if program is None:
            raise RuntimeError("torch.onnx.export returned no program")
        optimizer.fold_constants(program.model)
        optimizer.remove_unused_nodes(program.model)
        graph = program.model_proto
    for value in (*graph.graph.input, *graph.graph.output, *graph.graph.node):
        del value.metadata_props[:]  # names of files and lines of the machine that exported
    del graph.metadata_props[:]
    return graph
