"""Backward rules of single layers against autograd, and layers without a rule."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from core.errors import ExportError
from tests.training.export.gradients.networks import (
    CLASSES,
    HEIGHT,
    WIDTH,
    around,
    exact_gradient,
    export_gradient_alone,
    relative_errors,
    run,
    some_pixels,
    some_targets,
)
from training.export.gradients import export_gradient
from training.export.weights import save_weights
from training.networks import Classifier
from training.networks.layers import Flatten

pytestmark = pytest.mark.slow


class Residual(nn.Module):
    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.add(x, self.layers(x))


class MeanOverPlaces(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3))


def head(features: int) -> tuple[nn.Module, nn.Module]:
    return Flatten(features), nn.Linear(features, CLASSES)


NETWORKS = {
    "convolution with bias": around(nn.Conv2d(3, 8, 3), nn.GELU(), *head(8 * 14 * 18)),
    "convolution of even size": around(nn.Conv2d(3, 8, 2, padding=1), nn.GELU(), *head(8 * 17 * 21)),
    "oblong convolution": around(nn.Conv2d(3, 8, (3, 5), padding=(0, 1)), nn.GELU(), *head(8 * 14 * 18)),
    "dilated convolution": around(nn.Conv2d(3, 8, 3, dilation=2), nn.GELU(), *head(8 * 12 * 16)),
    "strided convolution": around(nn.Conv2d(3, 8, 3, stride=(2, 3), padding=1), nn.GELU(), *head(8 * 8 * 7)),
    "grouped convolution": around(
        nn.Conv2d(3, 8, 3), nn.GELU(), nn.Conv2d(8, 8, 3, groups=4), nn.GELU(), *head(8 * 12 * 16)
    ),
    "pooling that drops a row": around(nn.Conv2d(3, 8, 2), nn.MaxPool2d(2), nn.GELU(), *head(8 * 7 * 9)),
    "pooling before normalization": around(
        nn.Conv2d(3, 8, 3), nn.MaxPool2d(3), nn.BatchNorm2d(8), nn.GELU(), *head(8 * 4 * 6)
    ),
    "mean over places": around(nn.Conv2d(3, 8, 3), nn.SiLU(), MeanOverPlaces(), nn.Linear(8, CLASSES)),
    "residual dense blocks": around(
        Flatten(960), nn.Linear(960, 32),
        Residual(nn.LayerNorm(32), nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32)),
        nn.LayerNorm(32), nn.Linear(32, CLASSES),
    ),
    "no hidden layer": around(*head(960)),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_match_autograd(name: str, tmp_path: Path) -> None:
    classifier = NETWORKS[name]
    export_gradient_alone(classifier, tmp_path)
    pixels_NHWC, target_NK = some_pixels(5), some_targets(5)
    gradient_NHWC = run(tmp_path, pixels_NHWC, target_NK)["gradient"]
    assert relative_errors(gradient_NHWC, exact_gradient(classifier, pixels_NHWC, target_NK)).max() < 1e-5


def test_max_pooling_tie_gives_the_gradient_to_the_first(tmp_path: Path) -> None:
    convolution, dense = nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.Linear(4 * 8 * 10, CLASSES, bias=False)
    network = nn.Sequential(convolution, nn.MaxPool2d(2), Flatten(4 * 8 * 10), dense)
    classifier = Classifier(network, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)).eval()
    draw = np.random.default_rng(0)
    with torch.no_grad():
        for layer in (convolution, dense):  # small integers: float32 is exact, and most pooling windows have ties
            layer.weight.copy_(torch.from_numpy(draw.integers(-1, 2, layer.weight.shape)))
    export_gradient_alone(classifier, tmp_path)
    pixels_NHWC = draw.integers(0, 2, (6, HEIGHT, WIDTH, 3)).astype(np.float32)
    pixels_NHWC[0] = 1.0  # a constant image: every pooling window is a tie of four
    target_NK = np.eye(CLASSES, dtype=np.float32)[:6]
    gradient_NHWC = run(tmp_path, pixels_NHWC, target_NK)["gradient"]
    assert gradient_NHWC.any()
    np.testing.assert_array_equal(gradient_NHWC, exact_gradient(classifier, pixels_NHWC, target_NK))


@pytest.mark.parametrize(
    ("layer", "side", "reason"),
    [
        (nn.MaxPool2d(3, stride=2), (7, 9), r"windows of \[3, 3\], strides \[2, 2\]"),
        (nn.MaxPool2d(2, padding=1), (9, 11), r"padding \[1, 1\]"),
        (nn.AvgPool2d(2), (8, 10), r"missing rule to training\.export\.gradients\.onnx_rules.*avg_pool2d_backward"),
    ],
)
def test_layers_without_a_rule_are_refused(
    layer: nn.Module, side: tuple[int, int], reason: str, tmp_path: Path
) -> None:
    classifier = around(nn.Conv2d(3, 8, 3, padding=1), nn.GELU(), layer, *head(8 * side[0] * side[1]))
    save_weights(classifier, tmp_path)
    with pytest.raises(ExportError, match=reason):
        export_gradient(classifier, tmp_path, height=HEIGHT, width=WIDTH)
    assert not list(tmp_path.glob("*.onnx"))
