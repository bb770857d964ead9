"""From a trained network to gradient.onnx.

torch.onnx.export cannot export autograd. But autograd is made of plain operators too: `make_fx` records those that a
forward and a backward pass run, and that record is exported as if it were a forward pass. The parameters stay what
they were, tensors of the network under their torch names, so that the graph points into weights.safetensors as
model.onnx does. Both passes being recorded, no layer is described twice; a layer that a recipe brings later works
where its backward operators have a rule (see rules.py).
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from pathlib import Path

import onnx
import torch
from torch import Tensor, fx, nn
from torch._subclasses import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext

from core.errors import ExportError
from core.repository.manifest import GRADIENT_GRAPH
from training.export.gradients import onnx_rules
from training.export.to_onnx import to_onnx
from training.export.weights import WEIGHTS_NAME, point_into_weights
from training.networks import Classifier
from training.networks.layers import ACTIVATIONS

_OUTPUTS = ("logits", "gradient", "features", "feature_gradient")
"""In this order; a network without feature maps has the first two."""


def export_gradient(classifier: Classifier, folder: Path, *, height: int, width: int) -> None:
    """Write gradient.onnx to `folder`, where weights.safetensors already is.

    Inputs: `pixels` float32 [N, H, W, 3] in [0, 1] and `target` float32 [N, K], the weight of each class.
    Outputs: `logits` float32 [N, K]; `gradient` float32 [N, H, W, 3], d(sum(logits * target)) / d(pixels); and, where
    the network has feature maps, the last one before any pooling, `features` float32 [N, C, h, w], with
    `feature_gradient`, d(sum(logits * target)) / d(features), of the same shape.

    Raises:
        ExportError: a layer's backward pass cannot be written in ONNX, or the exporter changed a weight.
    """
    pixels_NHWC = torch.zeros(2, height, width, 3)  # of a single image the exporter would make a fixed batch of one
    target_NK = torch.zeros_like(classifier(pixels_NHWC), requires_grad=False)
    traced, outputs = _traced(classifier, pixels_NHWC, target_NK)
    try:
        graph = to_onnx(
            traced,
            {"pixels": pixels_NHWC, "target": target_NK},
            outputs=outputs,
            translations=onnx_rules.translations(),
        )
    except torch.onnx.OnnxExporterError as error:
        raise ExportError(
            f"{GRADIENT_GRAPH} cannot be written for this network, for lack of a rule in {onnx_rules.__name__}: "
            f"{_first_cause(error)}"
        ) from error
    point_into_weights(graph, folder / WEIGHTS_NAME, "classifier.")
    onnx.save(graph, folder / GRADIENT_GRAPH)
    onnx.checker.check_model(str(folder / GRADIENT_GRAPH), full_check=True)


@contextlib.contextmanager
def recorded_features(network: nn.Module) -> Iterator[list[Tensor]]:
    """A list that the forward pass of `network` fills with its feature maps [N, C, h, w], in order.

    A feature map is what an activation layer gives while the image still has a height and a width. Grad-CAM
    (Selvaraju et al. 2017) explains by the last one: the rectified output of the last convolution, before the pooling
    that follows takes its resolution away.
    """
    maps: list[Tensor] = []

    def record(_layer: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if output.dim() == 4:
            maps.append(output)

    activations = [layer for layer in network.modules() if isinstance(layer, tuple(ACTIVATIONS.values()))]
    hooks = [layer.register_forward_hook(record) for layer in activations]
    try:
        yield maps
    finally:
        for hook in hooks:
            hook.remove()


def _traced(classifier: Classifier, pixels_NHWC: Tensor, target_NK: Tensor) -> tuple[fx.GraphModule, Sequence[str]]:
    """The forward and the backward pass as one graph (pixels, target) -> outputs, and the names of those."""
    frozen = copy.deepcopy(classifier).requires_grad_(False)

    def passes(pixels_NHWC: Tensor, target_NK: Tensor) -> tuple[Tensor, ...]:
        with recorded_features(frozen) as maps:
            logits_NK = frozen(pixels_NHWC.requires_grad_())
        features = maps[-1:]
        gradient_NHWC, *feature_gradient = torch.autograd.grad(logits_NK, [pixels_NHWC, *features], target_NK)
        return (logits_NK, gradient_NHWC, *features, *feature_gradient)

    traced = make_fx(passes, tracing_mode="symbolic", decomposition_table=onnx_rules.decompositions())(
        *_of_any_batch(pixels_NHWC, target_NK)
    )
    _name_weights(traced, frozen)
    _infer_batch(traced.graph)
    traced.graph.eliminate_dead_code()
    traced.recompile()
    return traced, _OUTPUTS[: len(traced.graph.output_node().all_input_nodes)]


def _of_any_batch(*examples: Tensor) -> list[Tensor]:
    """Stand-ins without data for tensors of one batch, its size open and every other dimension fixed."""
    mode = FakeTensorMode(shape_env=ShapeEnv(), allow_non_fake_inputs=True)
    return [
        mode.from_tensor(
            example,
            symbolic_context=StatelessSymbolicContext([DimDynamic.DUCK] + [DimDynamic.STATIC] * (example.dim() - 1)),
        )
        for example in examples
    ]


def _name_weights(traced: fx.GraphModule, classifier: Classifier) -> None:
    """Let the graph read the network's own tensors, which make_fx has put under numbers."""
    names = {id(tensor): f"classifier.{name}" for name, tensor in classifier.state_dict(keep_vars=True).items()}
    numbered = set()
    for node in traced.graph.find_nodes(op="get_attr"):
        tensor = getattr(traced, node.target)
        if id(tensor) in names:
            numbered.add(node.target)
            node.target = names[id(tensor)]
    for name in numbered:
        delattr(traced, name)
    traced.classifier = classifier


def _first_cause(error: BaseException) -> BaseException:
    return error if error.__cause__ is None else _first_cause(error.__cause__)


def _infer_batch(graph: fx.Graph) -> None:
    """Write -1 for the batch in every reshape, instead of a chain of nodes that computes it at run time."""
    for node in graph.find_nodes(op="call_function", target=torch.ops.aten.view.default):
        tensor, shape = node.args
        node.args = (tensor, [-1 if isinstance(size, fx.Node) else size for size in shape])
