"""Check of gradient.onnx against autograd in float64.

A network of ReLU and max-pooling is piecewise linear. If an image lies closer to the border of its linear region than
float32 rounding, the graph may compute in the neighboring region, where the gradient differs. For such an image the
check reads the region from the graph, requires that the border is within rounding, and compares the graph with the
float64 gradient of that region. The number of such images grows with the number of activations and does not indicate
a defect of the graph.
"""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnx
import torch

from core.errors import ExportError
from core.repository.graph_records import GradientRecord
from core.repository.manifest import GRADIENT_GRAPH, GRAPHS
from core.repository.onnx_session import open_session
from training.data.preprocessing import one_hot, scale_pixels
from training.export.gradients.graph import export_gradient, recorded_features
from training.export.gradients.linear_regions import RegionProbe, impose_region
from training.export.run_onnx import predict_logits
from training.export.to_onnx import export_model
from training.networks import Classifier, initialize, whiten

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MAX_RELATIVE_ERROR = 1e-5
MAX_LOGIT_DIFFERENCE = 1e-5

Outputs = dict[str, npt.NDArray[Any]]
"""Outputs of gradient.onnx by name."""
_BATCH = 32
_REHEARSAL_IMAGES = 4


def check_gradient(
    folder: Path, classifier: Classifier, images_NHWC: npt.NDArray[np.uint8], *, threads: int
) -> GradientRecord:
    """Compare the outputs of `folder`/gradient.onnx with autograd in float64, and its logits with model.onnx.

    The target of every second image is its predicted class, that of the others a random mixture of all classes.

    Args:
        folder: folder with gradient.onnx, model.onnx and weights.safetensors.
        classifier: the exported network, in evaluation mode on the CPU.
        images_NHWC: uint8 [N, H, W, 3].
        threads: onnxruntime threads.

    Raises:
        ExportError: a gradient, feature map or feature gradient has a relative error above 1e-5 in the region chosen by
            the graph; or a logit differs from model.onnx by more than 1e-5 (times the largest logit if above 1).
    """
    pixels_NHWC = scale_pixels(images_NHWC)
    model_NK = predict_logits(folder / GRAPHS["fp32"], images_NHWC, threads=threads)
    target_NK = one_hot(model_NK.argmax(axis=1), model_NK.shape[1])
    target_NK[1::2] = np.random.default_rng(0).standard_normal(target_NK[1::2].shape)

    session = open_session(folder / GRADIENT_GRAPH, threads=threads)
    probe = RegionProbe(folder / GRADIENT_GRAPH, threads=threads)
    exact = copy.deepcopy(classifier).requires_grad_(False).double()
    logits, errors, errors_in_region = [], [], []
    for start in range(0, len(images_NHWC), _BATCH):
        batch = pixels_NHWC[start : start + _BATCH], target_NK[start : start + _BATCH]
        outputs = _run(session, *batch)
        logits.append(outputs.pop("logits"))
        errors.append(_relative_errors(outputs, _autograd(exact, *batch)))
        errors_in_region.append(_errors_in_region(outputs, errors[-1], probe, exact, *batch))
    return _record(
        np.concatenate(errors),
        np.concatenate(errors_in_region),
        np.abs(np.concatenate(logits) - model_NK).max() / max(1.0, np.abs(model_NK).max()),
        opset=onnx.load(folder / GRADIENT_GRAPH, load_external_data=False).opset_import[0].version,
    )


def _autograd(
    network: Classifier, pixels_NHWC: npt.NDArray[np.floating], target_NK: npt.NDArray[np.floating]
) -> Outputs:
    """Expected outputs of gradient.onnx except the logits, computed by autograd in float64 on the CPU."""
    pixels = torch.from_numpy(pixels_NHWC).double().requires_grad_()
    with recorded_features(network) as maps:
        logits = network(pixels)
    gradients = torch.autograd.grad(logits, [pixels, *maps[-1:]], torch.from_numpy(target_NK).double())
    outputs = dict(zip(("gradient", "feature_gradient"), gradients, strict=False))
    if maps:
        outputs["features"] = maps[-1].detach()
    return {name: tensor.numpy() for name, tensor in outputs.items()}


def _run(
    session: InferenceSession, pixels_NHWC: npt.NDArray[np.float32], target_NK: npt.NDArray[np.float32]
) -> Outputs:
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"pixels": pixels_NHWC, "target": target_NK}), strict=True))


def _errors_in_region(
    outputs: Outputs,
    error_N: npt.NDArray[np.float64],
    probe: RegionProbe,
    exact: Classifier,
    pixels_NHWC: npt.NDArray[np.float32],
    target_NK: npt.NDArray[np.float32],
) -> npt.NDArray[np.float64]:
    """`error_N`, with large errors of images at a border replaced by the error in the region chosen by the graph."""
    off_N = ~(error_N <= MAX_RELATIVE_ERROR)
    if not off_N.any():
        return error_N
    region = [chosen[off_N] for chosen in probe.region(pixels_NHWC, target_NK)]
    with impose_region(exact, region) as near:
        expected = _autograd(exact, pixels_NHWC[off_N], target_NK[off_N])
    in_region_N = _relative_errors({name: output_N[off_N] for name, output_N in outputs.items()}, expected)
    on_border_N = np.all([layer_N.numpy() for layer_N in near], axis=0)
    errors_N = error_N.copy()
    errors_N[off_N] = np.where(on_border_N, in_region_N, error_N[off_N])
    return errors_N


def _relative_errors(outputs: Outputs, exact: Outputs) -> npt.NDArray[np.float64]:
    """||output - exact|| / ||exact|| per image, maximum over the outputs, float64 [N]; 0 if both are zero."""
    tiny = np.finfo(np.float32).tiny
    errors = [_norms(outputs[name] - exact[name]) / np.maximum(_norms(exact[name]), tiny) for name in exact]
    return np.asarray(np.max(errors, axis=0))


def _norms(tensor: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(np.linalg.norm(tensor.reshape(len(tensor), -1), axis=1))


def _record(
    error_N: npt.NDArray[np.float64], in_region_N: npt.NDArray[np.float64], logit_difference: float, *, opset: int
) -> GradientRecord:
    wrong = int((~(in_region_N <= MAX_RELATIVE_ERROR)).sum())
    other_N = ~(error_N <= MAX_RELATIVE_ERROR)
    if wrong or not logit_difference <= MAX_LOGIT_DIFFERENCE:
        raise ExportError(
            f"{GRADIENT_GRAPH} disagrees with the network on {len(error_N)} images: {wrong} gradients off by more than "
            f"{MAX_RELATIVE_ERROR:.0e} (allowed 0; the worst by {in_region_N.max():.2e}), logits off by "
            f"{logit_difference:.2e} (allowed {MAX_LOGIT_DIFFERENCE:.0e}). This is a defect of the export: report it "
            "with the recipe and the image size"
        )
    return GradientRecord(
        images=len(error_N),
        max_relative_error=float(in_region_N.max()),
        other_pieces=int(other_N.sum()),
        max_other_piece_error=float(error_N[other_N].max(initial=0.0)),
        max_logit_difference=float(logit_difference),
        opset=opset,
    )


def rehearse_export(classifier: Classifier, images_NHWC: npt.NDArray[np.uint8]) -> None:
    """Export a copy of the network with random weights and check its graphs on four images uint8 [N, H, W, 3].

    A network that cannot be exported fails within seconds instead of after hours of training.

    Raises:
        ExportError: a graph cannot be written or disagrees with the network.
    """
    trial = copy.deepcopy(classifier).cpu()
    initialize(trial, torch.Generator().manual_seed(0))
    some_NHWC = images_NHWC[:_REHEARSAL_IMAGES]
    whiten(trial, torch.from_numpy(some_NHWC))
    trial.eval()
    _, height, width, _ = some_NHWC.shape
    with tempfile.TemporaryDirectory() as folder:
        export_model(trial, Path(folder), height=height, width=width)
        export_gradient(trial, Path(folder), height=height, width=width)
        check_gradient(Path(folder), trial, some_NHWC, threads=1)
