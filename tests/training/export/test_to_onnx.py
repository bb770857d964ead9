import copy
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import load_file

from core.errors import ExportError
from core.recipes import recipe_config
from core.repository.manifest import GRAPHS
from tests.training.export.gradients.networks import MEAN, STD, shaken
from training.export.run_onnx import check_parity, predict_logits
from training.export.to_onnx import export_model
from training.export.weights import WEIGHTS_NAME, load_weights, point_into_weights, save_weights
from training.networks import Classifier, build_classifier, initialize

pytestmark = pytest.mark.slow

IMAGES = np.random.default_rng(0).integers(0, 256, (37, 32, 32, 3), dtype=np.uint8)


def lived_in(recipe: str) -> Classifier:
    network = recipe_config(recipe).network
    return shaken(build_classifier(network, height=32, width=32, classes=10, mean=MEAN, std=STD), seed=0)


@pytest.fixture(scope="module", params=["mlp_baseline", "cnn_baseline", "mlp_best", "cnn_fast"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Classifier, Path]:
    classifier, folder = lived_in(request.param), tmp_path_factory.mktemp("export")
    export_model(classifier, folder, height=32, width=32)
    return classifier, folder


def test_graph_of_raw_images_matches_the_network(exported: tuple[Classifier, Path]) -> None:
    classifier, folder = exported
    logits_NK = predict_logits(folder / GRAPHS["fp32"], IMAGES, threads=1)
    with torch.no_grad():
        expected_NK = classifier(torch.from_numpy(IMAGES).float() / 255).numpy()
    assert logits_NK.shape == (37, 10)
    assert logits_NK.dtype == np.float32
    np.testing.assert_allclose(logits_NK, expected_NK, atol=1e-5)
    assert len(np.unique(logits_NK.round(4), axis=0)) == 37


def test_batches_of_any_size_give_the_same_logits(exported: tuple[Classifier, Path]) -> None:
    _, folder = exported
    whole = predict_logits(folder / GRAPHS["fp32"], IMAGES, threads=1)
    single = np.concatenate([predict_logits(folder / GRAPHS["fp32"], IMAGES[i : i + 1], threads=1) for i in range(3)])
    np.testing.assert_allclose(whole[:3], single, atol=1e-6)


def test_weights_are_stored_once(exported: tuple[Classifier, Path]) -> None:
    _, folder = exported
    assert (folder / GRAPHS["fp32"]).stat().st_size < 60_000
    assert (folder / WEIGHTS_NAME).stat().st_size > 7_000_000
    graph = onnx.load(folder / GRAPHS["fp32"], load_external_data=False)
    locations = {
        entry.value for tensor in graph.graph.initializer for entry in tensor.external_data if entry.key == "location"
    }
    assert locations == {WEIGHTS_NAME}


def test_graph_contains_no_paths_of_the_machine(exported: tuple[Classifier, Path]) -> None:
    _, folder = exported
    content = (folder / GRAPHS["fp32"]).read_bytes()
    assert b".py" not in content
    assert str(Path(torch.__file__).parent).encode() not in content


def test_saved_weights_are_loaded_exactly(exported: tuple[Classifier, Path]) -> None:
    classifier, folder = exported
    other = copy.deepcopy(classifier)
    initialize(other, torch.Generator().manual_seed(1))
    load_weights(other, folder)
    for name, tensor in load_file(folder / WEIGHTS_NAME).items():
        assert torch.equal(tensor, other.state_dict()[name])
        assert torch.equal(tensor, classifier.state_dict()[name])


def test_weights_of_another_network_are_refused(exported: tuple[Classifier, Path], tmp_path: Path) -> None:
    small = build_classifier(
        recipe_config("mlp_baseline").with_overrides({"network.hidden": [4]}).network,
        height=32, width=32, classes=10, mean=(0, 0, 0), std=(1, 1, 1),
    )  # fmt: skip
    with pytest.raises(RuntimeError, match=r"network|size mismatch"):
        load_weights(small, exported[1])


def test_graph_with_changed_weights_is_refused(tmp_path: Path) -> None:
    weights = save_weights(lived_in("mlp_baseline"), tmp_path)
    tensor = load_file(weights)["network.1.bias"].numpy()
    changed = onnx.numpy_helper.from_array(tensor + 1, "classifier.network.1.bias")
    graph = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [], [changed]))
    with pytest.raises(ExportError, match=r"changed classifier\.network\.1\.bias"):
        point_into_weights(graph, weights, "classifier.")


def test_large_tensor_other_than_a_weight_is_refused(tmp_path: Path) -> None:
    weights = save_weights(lived_in("mlp_baseline"), tmp_path)
    stray = onnx.numpy_helper.from_array(np.zeros(10_000, dtype=np.float32), "stray")
    graph = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [], [stray]))
    with pytest.raises(ExportError, match="stray"):
        point_into_weights(graph, weights, "classifier.")


def test_parity_measures_the_difference_and_refuses_disagreement(exported: tuple[Classifier, Path]) -> None:
    classifier, folder = exported
    logits_NK = predict_logits(folder / GRAPHS["fp32"], IMAGES, threads=1)
    record = check_parity(classifier, IMAGES, logits_NK)
    assert (record.images, record.argmax_mismatches) == (37, 0)
    assert 0 < record.max_abs_logit_difference < 1e-5
    with pytest.raises(ExportError, match=r"2\.00e-03"):
        check_parity(classifier, IMAGES, logits_NK + np.float32(2e-3))
    with pytest.raises(ExportError, match="37 other classes"):
        check_parity(classifier, IMAGES, -logits_NK)
