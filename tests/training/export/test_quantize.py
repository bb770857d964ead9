import logging
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest

from core.repository.manifest import GRAPHS
from tests.support.training_runs import small_fit, small_images, small_recipe
from training.data.split_dataset import Images
from training.data.splits import Split
from training.data.types import ImageDataset, LabelledImages
from training.export.quantize import calibration_images, quantize
from training.export.run_onnx import predict_logits
from training.export.to_onnx import export_model
from training.pipeline.train import new_classifier

pytestmark = pytest.mark.slow

KINDS = ("mlp", "cnn")


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest, images: Images, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained float32 graph and its int8 variant in one folder."""
    folder = tmp_path_factory.mktemp(request.param)
    classifier = small_fit(small_recipe(request.param), images, folder).classifier
    export_model(classifier, folder, height=32, width=32)
    quantize(folder / GRAPHS["fp32"], calibration_images(images))
    return folder / GRAPHS["fp32"]


def int8_of(model: Path) -> Path:
    return model.with_name(GRAPHS["int8"])


def fused(path: Path, folder: Path) -> Counter[str]:
    """Operator counts of the optimized graph that onnxruntime creates from the file `path`."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # suppresses the warning that the optimized graph is specific to this machine
    options.optimized_model_filepath = str(folder / "fused.onnx")
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(folder / "fused.onnx").graph.node)


def test_int8_predictions_are_close_to_float32(model: Path, images: Images) -> None:
    test_NHWC = images.dataset.test.images_NHWC
    float_NK, int8_NK = (predict_logits(path, test_NHWC, threads=1) for path in (model, int8_of(model)))
    assert int8_NK.shape == (50, 10)
    assert int8_NK.dtype == np.float32
    assert np.abs(int8_NK - float_NK).mean() < 0.05 * float_NK.std()
    assert np.abs(int8_NK - float_NK).max() > 0
    # The last layer is float32, because quantized logits have 256 steps and would tie.
    assert len(np.unique(int8_NK)) == int8_NK.size


def test_all_but_the_last_layer_runs_on_integers(model: Path, tmp_path: Path) -> None:
    operators = fused(int8_of(model), tmp_path)
    assert operators["Gemm"] == 1
    assert operators["QGemm"] == (1 if "Conv" in operator_types(model) else 2)
    assert operators["QLinearConv"] == operator_types(model)["Conv"]
    assert operators["QuantizeLinear"] == operators["DequantizeLinear"] == 1
    assert not operators.keys() & {"Conv", "FusedConv", "BatchNormalization", "Relu", "FusedGemm", "MatMul"}
    # Pooling runs on integers too: only the input of the last layer is dequantized.
    assert operators["MaxPool"] + operators["NhwcMaxPool"] == operator_types(model)["MaxPool"]


def test_whitening_layer_stays_in_float32(images: Images, tmp_path: Path) -> None:
    config = small_recipe("cnn", epochs=1, **{"network.design": "whitened", "network.channels": (8, 8)})
    export_model(small_fit(config, images, tmp_path).classifier, tmp_path, height=32, width=32)
    model = tmp_path / GRAPHS["fp32"]
    quantize(model, calibration_images(images))
    operators = fused(int8_of(model), tmp_path)
    assert operators["Conv"] + operators["FusedConv"] == 1
    assert operators["QLinearConv"] == operator_types(model)["Conv"] - 1


def operator_types(path: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(path, load_external_data=False).graph.node)


def test_weights_use_7_bits_against_saturation(model: Path) -> None:
    weights = [
        onnx.numpy_helper.to_array(tensor)
        for tensor in onnx.load(int8_of(model)).graph.initializer
        if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) > 1
    ]
    assert len(weights) == weight_tensors(model) - 1  # all except those of the last layer
    for weight in weights:
        # The instruction adds two products of uint8 activations and int8 weights in 16 bits.
        assert 2 * 255 * int(np.abs(weight.astype(np.int64)).max()) <= np.iinfo(np.int16).max
        per_channel = np.abs(weight.reshape(len(weight), -1).astype(np.int64)).max(axis=1)
        assert per_channel.min() >= 60  # one scale per output channel, which uses the whole range


def weight_tensors(path: Path) -> int:
    """Number of weights of convolutions and dense layers."""
    graph = onnx.load(path, load_external_data=False).graph
    return sum(tensor.name.endswith("weight") and len(tensor.dims) > 1 for tensor in graph.initializer)


def test_int8_file_contains_its_weights(model: Path, images: Images, tmp_path: Path) -> None:
    alone = tmp_path / "elsewhere.onnx"
    alone.write_bytes(int8_of(model).read_bytes())
    few_NHWC = images.dataset.test.images_NHWC[:3]
    np.testing.assert_array_equal(
        predict_logits(alone, few_NHWC, threads=1), predict_logits(int8_of(model), few_NHWC, threads=1)
    )
    assert {path.name for path in model.parent.glob("*.onnx*")} == {GRAPHS["fp32"], GRAPHS["int8"]}


def test_quantize_is_deterministic(model: Path, images: Images, tmp_path: Path) -> None:
    first = int8_of(model).read_bytes()
    np.save(tmp_path / "images.npy", calibration_images(images))
    for name in (model.name, "weights.safetensors"):
        (tmp_path / name).write_bytes((model.parent / name).read_bytes())
    program = (
        "import sys; from pathlib import Path; import numpy as np; from training.export.quantize import quantize; "
        "folder = Path(sys.argv[1]); quantize(folder / 'model.onnx', np.load(folder / 'images.npy'))"
    )
    # Another process has another hash seed and set order.
    environment = os.environ | {"PYTHONHASHSEED": "12345"}
    subprocess.run([sys.executable, "-W", "error", "-c", program, str(tmp_path)], env=environment, check=True)
    assert (tmp_path / GRAPHS["int8"]).read_bytes() == first


def test_graph_contains_no_paths_of_the_machine(model: Path, tmp_path: Path) -> None:
    content = int8_of(model).read_bytes()
    for trace in (".py", "/tmp", str(tmp_path.parent), str(Path.home()), str(Path.cwd())):
        assert trace.encode() not in content
    assert [entry.domain for entry in onnx.load(int8_of(model)).opset_import] == [""]


@pytest.mark.parametrize("activation", ["relu", "gelu", "silu", "tanh"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_activation_is_quantized_without_output(
    kind: str,
    activation: str,
    images: Images,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    classifier = new_classifier(small_recipe(kind, **{"network.activation": activation}), images).eval()
    export_model(classifier, tmp_path, height=32, width=32)
    capfd.readouterr()
    with caplog.at_level(logging.INFO):
        caplog.clear()
        int8 = quantize(tmp_path / GRAPHS["fp32"], calibration_images(images))
    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    test_NHWC = images.dataset.test.images_NHWC
    float_NK, int8_NK = (predict_logits(path, test_NHWC, threads=1) for path in (tmp_path / GRAPHS["fp32"], int8))
    assert np.abs(int8_NK - float_NK).mean() < 0.1 * float_NK.std()


def test_ranges_come_from_training_images_of_every_class() -> None:
    sorted_N = np.repeat(np.arange(10), 300)
    pixels_NHWC = np.zeros((3_000, 2, 2, 3), dtype=np.uint8)
    pixels_NHWC[:, 0, 0, 0] = sorted_N
    pixels_NHWC[1::2, 0, 0, 1] = 1  # every other image is in the holdout
    training = LabelledImages(pixels_NHWC, sorted_N)
    dataset = ImageDataset("sorted", tuple("abcdefghij"), training, training, "none")
    positions = np.arange(3_000)
    split = Split(train=positions[::2], validation=positions[1:1501:2], holdout=positions[1501::2])
    chosen_NHWC = calibration_images(Images(dataset, split))
    assert chosen_NHWC.shape == (1_024, 2, 2, 3)
    assert not chosen_NHWC[:, 0, 0, 1].any()
    counts_K = np.bincount(chosen_NHWC[:, 0, 0, 0], minlength=10)
    assert counts_K.min() >= 100
    assert len(calibration_images(small_images())) == 160  # all of them


def test_onnxruntime_is_imported_with_telemetry_off() -> None:
    program = """
import os, sys
from importlib.abc import MetaPathFinder

class Watch(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "onnxruntime":
            print(os.environ.get("ORT_DISABLE_TELEMETRY"))

sys.meta_path.insert(0, Watch())
import training.export.quantize
"""
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout == "1\n"
