"""Check of gradient.onnx: valid graphs, images in neighboring linear regions, and wrong graphs."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn

from core.errors import ExportError
from core.repository.manifest import GRADIENT_GRAPH
from tests.training.export.gradients.networks import (
    CLASSES,
    around,
    exact_gradient,
    export_both,
    relative_errors,
    run,
    small_network,
    some_images,
)
from training.export.gradients import check_gradient
from training.export.gradients.linear_regions import impose_region
from training.networks import Classifier
from training.networks.layers import Flatten

pytestmark = pytest.mark.slow
Exported = tuple[Classifier, Path]


@pytest.fixture(scope="module", params=["mlp", "cnn", "residual mlp", "whitened cnn"])
def sound(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    classifier = small_network(request.param)
    return classifier, export_both(classifier, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def on_the_edge(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A network with half of its hidden units within float32 rounding of zero for the first images."""
    dense = nn.Linear(960, 200)
    classifier = around(Flatten(960), dense, nn.ReLU(), nn.Linear(200, CLASSES))
    with torch.no_grad():
        pixels = torch.from_numpy(some_images(1) / 255).float()
        normalized = (pixels - classifier.mean) / classifier.std
        reached = nn.functional.linear(normalized.permute(0, 3, 1, 2).reshape(1, 960).double(), dense.weight.double())
        dense.bias[::2] = -reached[0, ::2].float()
    return classifier, export_both(classifier, tmp_path_factory.mktemp("edge"))


def edited(folder: Path, target: Path, output: str, factor: float, offset: float) -> Path:
    """A copy of the version whose gradient.onnx returns factor * `output` + offset, and is otherwise correct."""
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    graph = onnx.load(folder / GRADIENT_GRAPH, load_external_data=False)
    for node in graph.graph.node:
        for names in (node.input, node.output):
            for position, name in enumerate(names):
                if name == output:
                    names[position] = "before"
    graph.graph.initializer.append(numpy_helper.from_array(np.array(factor, dtype=np.float32), "factor"))
    graph.graph.initializer.append(numpy_helper.from_array(np.array(offset, dtype=np.float32), "offset"))
    graph.graph.node.append(helper.make_node("Mul", ["before", "factor"], ["scaled"]))
    graph.graph.node.append(helper.make_node("Add", ["scaled", "offset"], [output]))
    onnx.save(graph, target / GRADIENT_GRAPH)
    return target


def test_valid_graph_is_recorded_with_its_errors(sound: Exported) -> None:
    classifier, folder = sound
    images_NHWC = some_images(70)
    images_NHWC[:3] = np.array([0, 128, 255], dtype=np.uint8)[:, None, None, None]  # constant images
    record = check_gradient(folder, classifier, images_NHWC, threads=1)
    assert record.images == 70
    assert 1e-9 < record.max_relative_error < 1e-5
    assert record.other_pieces <= 6
    assert record.max_logit_difference < 1e-5
    opset = onnx.load(folder / GRADIENT_GRAPH, load_external_data=False).opset_import[0]
    assert (opset.domain, opset.version) == ("", record.opset)


def test_image_in_another_region_is_counted_and_compared_there(on_the_edge: Exported) -> None:
    classifier, folder = on_the_edge
    images_NHWC = some_images(40)
    record = check_gradient(folder, classifier, images_NHWC, threads=1)
    assert record.other_pieces == 1
    assert record.max_relative_error < 1e-5 < 1e-3 < record.max_other_piece_error

    target_NK = np.zeros((40, CLASSES), dtype=np.float32)
    target_NK[:, 0] = 1
    pixels_NHWC = (images_NHWC / 255).astype(np.float32)
    errors_N = relative_errors(
        run(folder, pixels_NHWC, target_NK)["gradient"], exact_gradient(classifier, pixels_NHWC, target_NK)
    )
    assert (errors_N > 1e-3).tolist() == [True] + [False] * 39


def test_valid_graph_passes_with_all_images_in_other_regions(on_the_edge: Exported) -> None:
    """Larger images have more activations, so more images lie within rounding of a region border."""
    classifier, folder = on_the_edge
    record = check_gradient(folder, classifier, some_images(1).repeat(40, axis=0), threads=1)
    assert record.other_pieces == 40
    assert record.max_relative_error < 1e-5


@pytest.mark.parametrize(("factor", "offset"), [(1.0001, 0.0), (-1.0, 0.0), (1.0, 0.01), (float("nan"), 0.0)])
def test_wrong_gradient_is_refused(sound: Exported, tmp_path: Path, factor: float, offset: float) -> None:
    classifier, folder = sound
    wrong = edited(folder, tmp_path, "gradient", factor, offset)
    with pytest.raises(ExportError, match="disagrees with the network on 20 images: 20 gradients off"):
        check_gradient(wrong, classifier, some_images(20), threads=1)


@pytest.mark.parametrize("sound", ["cnn"], indirect=True)
@pytest.mark.parametrize("output", ["features", "feature_gradient"])
def test_wrong_features_are_refused(output: str, sound: Exported, tmp_path: Path) -> None:
    classifier, folder = sound
    wrong = edited(folder, tmp_path, output, 1.001, 0.0)
    with pytest.raises(ExportError, match="20 gradients off by"):
        check_gradient(wrong, classifier, some_images(20), threads=1)


def test_logits_other_than_the_model_s_are_refused(sound: Exported, tmp_path: Path) -> None:
    classifier, folder = sound
    wrong = edited(folder, tmp_path, "logits", 1.0, 1e-3)
    with pytest.raises(ExportError, match=r" 0 gradients off .* logits off by \d\.\d\de-0[34]"):
        check_gradient(wrong, classifier, some_images(20), threads=1)


@pytest.mark.parametrize("sound", ["mlp", "cnn"], indirect=True)
def test_graph_of_another_network_is_refused(sound: Exported) -> None:
    classifier, folder = sound
    kind = "cnn" if hasattr(classifier.network, "blocks") else "mlp"
    with pytest.raises(ExportError, match=r"the worst by \d"):
        check_gradient(folder, small_network(kind, seed=1), some_images(20), threads=1)


def test_graph_with_another_number_of_activations_is_refused(sound: Exported) -> None:
    _, folder = sound
    with pytest.raises(ExportError, match=r"has \d+ ReLU and max-pooling, the network 0"):
        check_gradient(folder, around(Flatten(960), nn.Linear(960, CLASSES)), some_images(20), threads=1)


def test_impose_region_of_own_and_other_activations() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2)).double()
    x = torch.randn(3, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        rectified = network[1](network[0](x))
        own, pooled = [rectified.float().numpy()] * 2, network(x)
        with impose_region(network, own) as near:
            assert torch.equal(network(x), pooled)
        assert torch.stack(near).all()

        other = own[0].copy()
        other[1, 2, 4, 4] = 0.0 if other[1, 2, 4, 4] > 0 else 1.0
        with impose_region(network, [other, own[1]]) as near:
            network(x)
        assert near[0].tolist() == [True, False, True]

        other = own[0].copy()
        channel, row, column = np.unravel_index(int(pooled[2].argmax()), pooled[2].shape)
        window = other[2, channel, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        window[np.unravel_index(window.argmin(), (2, 2))] = 99.0
        with impose_region(network, [own[0], other]) as near:
            network(x)
        assert near[1].tolist() == [True, True, False]
    assert not network[1]._forward_hooks


def test_impose_region_of_relu6() -> None:
    """Below, inside and above the linear part; each image is moved to a neighboring region."""
    network = nn.ReLU6()
    values, chosen_N = [-1e-7, 3.0, 6.0 + 1e-7, 2.0], [1e-7, 3.0, 5.9999995, 6.0]
    x = torch.tensor([[value, 1.0] for value in values], dtype=torch.float64, requires_grad=True)
    chosen = np.array([[value, 1.0] for value in chosen_N], dtype=np.float32)
    with impose_region(network, [chosen]) as near:
        followed = network(x)
    (gradient,) = torch.autograd.grad(followed.sum(), x)
    assert gradient[:, 0].tolist() == [1, 1, 1, 0]
    assert followed[3, 0].item() == 6
    assert near[0].tolist() == [True, True, True, False]


def test_region_with_missing_layers_is_refused() -> None:
    network = nn.Sequential(nn.ReLU(), nn.ReLU()).double()
    x = torch.ones(1, 2, dtype=torch.float64)
    one = np.ones((1, 2), dtype=np.float32)
    with pytest.raises(ExportError, match="more than the 1"), impose_region(network, [one]):
        network(x)
    with pytest.raises(ExportError, match=r"has 3 .* the network 2"), impose_region(network, [one] * 3):
        network(x)
