"""gradient.onnx against autograd, finite differences and captum."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from captum.attr import Saliency

from core.errors import ExportError
from core.repository.manifest import GRADIENT_GRAPH, GRAPHS
from core.repository.onnx_session import open_session
from tests.training.export.gradients.networks import (
    CLASSES,
    HEIGHT,
    WIDTH,
    exact_gradient,
    exact_logits,
    export_both,
    export_gradient_alone,
    relative_errors,
    run,
    small_network,
    some_images,
    some_pixels,
    some_targets,
)
from training.export.gradients import export_gradient
from training.export.run_onnx import predict_logits
from training.export.weights import WEIGHTS_NAME, save_weights
from training.networks import Classifier

pytestmark = pytest.mark.slow

Exported = tuple[Classifier, Path]


@pytest.fixture(scope="module", params=["mlp", "cnn"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    classifier = small_network(request.param)
    return classifier, export_both(classifier, tmp_path_factory.mktemp(request.param))


def shapes(values: Any) -> dict[str, list[Any]]:
    assert all(value.type == "tensor(float)" for value in values)
    return {value.name: value.shape for value in values}


def test_inputs_and_outputs_are_those_of_the_contract(exported: Exported) -> None:
    classifier, folder = exported
    session = open_session(folder / GRADIENT_GRAPH, threads=1)
    assert shapes(session.get_inputs()) == {"pixels": ["N", HEIGHT, WIDTH, 3], "target": ["N", CLASSES]}
    outputs = {"logits": ["N", CLASSES], "gradient": ["N", HEIGHT, WIDTH, 3]}
    if hasattr(classifier.network, "blocks"):
        maps = ["N", 16, HEIGHT // 2, WIDTH // 2]
        outputs |= {"features": maps, "feature_gradient": maps}
    assert shapes(session.get_outputs()) == outputs


@pytest.mark.parametrize("count", [1, 2, 37])
def test_gradients_match_autograd(exported: Exported, count: int) -> None:
    classifier, folder = exported
    pixels_NHWC, target_NK = some_pixels(count), some_targets(count)
    gradient_NHWC = run(folder, pixels_NHWC, target_NK)["gradient"]
    exact_NHWC = exact_gradient(classifier, pixels_NHWC, target_NK)
    assert relative_errors(gradient_NHWC, exact_NHWC).max() < 1e-5


def test_gradients_are_finite_differences(exported: Exported) -> None:
    classifier, folder = exported
    pixels_NHWC, target_NK = some_pixels(3), some_targets(3)
    gradient_NHWC = run(folder, pixels_NHWC, target_NK)["gradient"]
    draw, step = np.random.default_rng(2), 1e-6
    places = [tuple(int(draw.integers(size)) for size in pixels_NHWC.shape) for _ in range(40)]
    image_M = [image for image, *_ in places]
    moved = np.zeros((40, HEIGHT, WIDTH, 3))
    for row, (_, *place) in enumerate(places):
        moved[row, *place] = step
    target_MK = torch.from_numpy(target_NK[image_M])
    above_M, below_M = (
        (exact_logits(classifier, torch.from_numpy(pixels_NHWC[image_M] + sign * moved)) * target_MK).sum(1)
        for sign in (1, -1)
    )
    differences_M = ((above_M - below_M) / (2 * step)).detach().numpy()
    gradients_M = np.array([gradient_NHWC[place] for place in places])
    np.testing.assert_allclose(gradients_M, differences_M, atol=1e-4 * np.abs(gradient_NHWC).max())
    assert np.abs(differences_M).max() > 1e-2 * np.abs(gradient_NHWC).max()


def test_images_of_a_batch_are_independent(exported: Exported) -> None:
    _, folder = exported
    pixels_NHWC, target_NK = some_pixels(5), some_targets(5)
    whole = run(folder, pixels_NHWC, target_NK)
    for image in range(5):
        single = run(folder, pixels_NHWC[image : image + 1], target_NK[image : image + 1])
        for name, values in whole.items():
            np.testing.assert_allclose(single[name][0], values[image], atol=1e-6 * np.abs(values[image]).max())


def test_logits_are_those_of_the_served_model(exported: Exported) -> None:
    _, folder = exported
    images_NHWC = some_images(23)
    served_NK = predict_logits(folder / GRAPHS["fp32"], images_NHWC, threads=1)
    logits_NK = run(folder, (images_NHWC / 255).astype(np.float32), some_targets(23))["logits"]
    np.testing.assert_allclose(logits_NK, served_NK, atol=1e-5)


def test_saliency_matches_captum(exported: Exported) -> None:
    classifier, folder = exported
    pixels_NHWC, classes_N = some_pixels(8), np.arange(8) % CLASSES
    gradient_NHWC = run(folder, pixels_NHWC, np.eye(CLASSES, dtype=np.float32)[classes_N])["gradient"]
    pixels = torch.from_numpy(pixels_NHWC).requires_grad_()
    maps_NHWC = Saliency(classifier).attribute(pixels, target=torch.from_numpy(classes_N), abs=False)
    assert relative_errors(gradient_NHWC, maps_NHWC.numpy()).max() < 1e-5


@pytest.mark.parametrize("exported", ["cnn"], indirect=True)
def test_features_are_the_activation_of_the_last_convolution(exported: Exported) -> None:
    classifier, folder = exported
    pixels_NHWC, target_NK = some_pixels(6), some_targets(6)
    kept: list[torch.Tensor] = []
    last_activation = classifier.get_submodule("network.blocks.1.5")
    assert isinstance(last_activation, torch.nn.ReLU)
    assert isinstance(classifier.get_submodule("network.blocks.1.6"), torch.nn.MaxPool2d)
    with last_activation.register_forward_hook(lambda _layer, _inputs, output: kept.append(output)):
        logits = classifier(torch.from_numpy(pixels_NHWC))
    (gradient,) = torch.autograd.grad(logits, kept, torch.from_numpy(target_NK))
    answers = run(folder, pixels_NHWC, target_NK)
    assert relative_errors(answers["features"], kept[0].detach().numpy()).max() < 1e-5
    assert relative_errors(answers["feature_gradient"], gradient.numpy()).max() < 1e-5


@pytest.mark.full
@pytest.mark.parametrize("kind", [pytest.param("mlp", marks=pytest.mark.full), "cnn"])
@pytest.mark.parametrize("activation", ["gelu", "silu", pytest.param("tanh", marks=pytest.mark.full)])
def test_every_activation_has_its_gradient(kind: str, activation: str, tmp_path: Path) -> None:
    classifier = small_network(kind, activation=activation)
    export_gradient_alone(classifier, tmp_path)
    pixels_NHWC, target_NK = some_pixels(4), some_targets(4)
    answers = run(tmp_path, pixels_NHWC, target_NK)
    assert relative_errors(answers["gradient"], exact_gradient(classifier, pixels_NHWC, target_NK)).max() < 1e-5
    assert ("features" in answers) == (kind == "cnn")


def test_weights_are_stored_once(exported: Exported) -> None:
    _, folder = exported
    graph = onnx.load(folder / GRADIENT_GRAPH, load_external_data=False).graph
    inside = [tensor for tensor in graph.initializer if tensor.data_location != onnx.TensorProto.EXTERNAL]
    assert max(onnx.numpy_helper.to_array(tensor).size for tensor in inside) <= 4
    pointers = [{entry.key: entry.value for entry in tensor.external_data} for tensor in graph.initializer]
    outside = [pointer for pointer in pointers if pointer]
    assert {pointer["location"] for pointer in outside} == {WEIGHTS_NAME}
    assert len({pointer["offset"] for pointer in outside}) == len(outside)
    constants = [attribute.t for node in graph.node for attribute in node.attribute if attribute.HasField("t")]
    assert max((onnx.numpy_helper.to_array(tensor).size for tensor in constants), default=0) <= 4


def test_graph_contains_no_paths_of_the_machine(exported: Exported) -> None:
    content = (exported[1] / GRADIENT_GRAPH).read_bytes()
    assert b".py" not in content
    assert str(Path(torch.__file__).parent).encode() not in content
    assert str(Path.cwd()).encode() not in content


def test_gradient_graph_is_deterministic(exported: Exported, tmp_path: Path) -> None:
    classifier, folder = exported
    export_gradient_alone(classifier, tmp_path)
    assert (tmp_path / GRADIENT_GRAPH).read_bytes() == (folder / GRADIENT_GRAPH).read_bytes()


def test_export_does_not_change_the_network(exported: Exported) -> None:
    classifier, _ = exported
    assert all(parameter.requires_grad and parameter.grad is None for parameter in classifier.parameters())
    assert not any(module._forward_hooks for module in classifier.modules())


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_weights(small_network("cnn", seed=1), tmp_path)
    with pytest.raises(ExportError, match=r"the graph and weights\.safetensors differ"):
        export_gradient(small_network("cnn"), tmp_path, height=HEIGHT, width=WIDTH)
