"""Export of a trained network to gradient.onnx.

torch.onnx.export cannot export autograd. `make_fx` traces the ATen operators of a forward and a backward pass, and this
trace is exported as if it were a forward pass. Parameters keep their torch names, so that the graph refers to
weights.safetensors like model.onnx. New layers need no code here if their backward operators have a rule, see
`training.export.gradients.onnx_rules`.
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
"""Output names in order; a network without feature maps has only the first two."""


def export_gradient(classifier: Classifier, folder: Path, *, height: int, width: int) -> None:
    """Write gradient.onnx to `folder`, which must contain weights.safetensors.

    Inputs: `pixels` float32 [N, H, W, 3] in [0, 1] and `target` float32 [N, K], the weight of each class.
    Outputs: `logits` float32 [N, K]; `gradient` float32 [N, H, W, 3], d(sum(logits * target)) / d(pixels). A network
    with feature maps has two more: `features` float32 [N, C, h, w], the last one before pooling, and
    `feature_gradient`, d(sum(logits * target)) / d(features), of the same shape.

    Raises:
        ExportError: a backward operator has no ONNX rule, or the exporter changed a weight.
    """
    pixels_NHWC = torch.zeros(2, height, width, 3)  # the exporter would specialize a batch of one
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
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        raise ExportError(
            f"{GRADIENT_GRAPH} cannot be written for this network: add the missing rule to {onnx_rules.__name__} "
            f"({cause})"
        ) from error
    point_into_weights(graph, folder / WEIGHTS_NAME, "classifier.")
    onnx.save(graph, folder / GRADIENT_GRAPH)
    onnx.checker.check_model(str(folder / GRADIENT_GRAPH), full_check=True)


@contextlib.contextmanager
def recorded_features(network: nn.Module) -> Iterator[list[Tensor]]:
    """Collect the feature maps [N, C, h, w] of the forward pass in the block, in order.

    A feature map is the four-dimensional output of an activation layer. Grad-CAM (Selvaraju et al. 2017) uses the last
    one: the rectified output of the last convolution, before pooling reduces its resolution.
    """
    maps: list[Tensor] = []

    def record(_layer: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if output.dim() == 4:
            maps.append(output)

    kinds = (*ACTIVATIONS.values(), nn.ReLU6)
    activations = [layer for layer in network.modules() if isinstance(layer, kinds)]
    hooks = [layer.register_forward_hook(record) for layer in activations]
    try:
        yield maps
    finally:
        for hook in hooks:
            hook.remove()


def _traced(classifier: Classifier, pixels_NHWC: Tensor, target_NK: Tensor) -> tuple[fx.GraphModule, Sequence[str]]:
    """Trace forward and backward pass as one graph (pixels, target) -> outputs; returns graph and output names."""
    frozen = copy.deepcopy(classifier).requires_grad_(False)

    def passes(pixels_NHWC: Tensor, target_NK: Tensor) -> tuple[Tensor, ...]:
        with recorded_features(frozen) as maps:
            logits_NK = frozen(pixels_NHWC.requires_grad_())
        features = maps[-1:]
        gradient_NHWC, *feature_gradient = torch.autograd.grad(logits_NK, [pixels_NHWC, *features], target_NK)
        return (logits_NK, gradient_NHWC, *features, *feature_gradient)

    traced = make_fx(passes, tracing_mode="symbolic", decomposition_table=onnx_rules.decompositions())(
        *_fake_tensors(pixels_NHWC, target_NK)
    )
    _name_weights(traced, frozen)
    _infer_batch(traced.graph)
    traced.graph.eliminate_dead_code()
    traced.recompile()
    return traced, _OUTPUTS[: len(traced.graph.output_node().all_input_nodes)]


def _fake_tensors(*examples: Tensor) -> list[Tensor]:
    """Fake tensors with a dynamic batch size and static other dimensions."""
    mode = FakeTensorMode(shape_env=ShapeEnv(), allow_non_fake_inputs=True)
    return [
        mode.from_tensor(
            example,
            symbolic_context=StatelessSymbolicContext([DimDynamic.DUCK] + [DimDynamic.STATIC] * (example.dim() - 1)),
        )
        for example in examples
    ]


def _name_weights(traced: fx.GraphModule, classifier: Classifier) -> None:
    """Rename the weights, which make_fx numbers, to their torch names."""
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


def _infer_batch(graph: fx.Graph) -> None:
    """Use -1 for the batch size in every reshape, instead of nodes that compute it at run time."""
    for node in graph.find_nodes(op="call_function", target=torch.ops.aten.view.default):
        tensor, shape = node.args
        node.args = (tensor, [-1 if isinstance(size, fx.Node) else size for size in shape])
