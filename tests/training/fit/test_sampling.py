"""Sampling of training images: uniform epochs, and classes drawn equally often."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from tests.support.training_runs import small_fit, small_images, small_recipe
from training.fit.sampling import default_sampling, epoch_order

LABELS_N = torch.tensor([0] * 900 + [1] * 90 + [2] * 10)


def test_uniform_order_has_every_image_once() -> None:
    order_N = epoch_order(LABELS_N, small_recipe("mlp"), torch.Generator().manual_seed(0))
    assert sorted(order_N.tolist()) == list(range(1000))
    same_N = torch.randperm(1000, generator=torch.Generator().manual_seed(0))
    assert order_N.equal(same_N)


def test_balanced_order_has_every_class_equally_often() -> None:
    config, draw = small_recipe("mlp", sampling="balanced"), torch.Generator().manual_seed(0)
    orders = [epoch_order(LABELS_N, config, draw) for _ in range(20)]
    assert {len(order_N) for order_N in orders} == {1000}
    share_K = torch.bincount(LABELS_N[torch.cat(orders)]) / 20_000
    assert (share_K - 1 / 3).abs().max() < 0.02
    assert not orders[0].equal(orders[1])


def test_sampling_is_balanced_by_default_above_a_ratio_of_three() -> None:
    assert default_sampling(np.repeat([0, 1], [30, 10])) == "uniform"
    assert default_sampling(np.repeat([0, 1], [31, 10])) == "balanced"


def test_fit_draws_the_images_of_the_epoch_order(tmp_path: Path) -> None:
    """With balanced sampling the run differs from a uniform one, and repeats exactly."""
    images = small_images()
    for name in "abcd":
        (tmp_path / name).mkdir()
    runs = [
        small_fit(small_recipe("mlp", sampling=sampling), images, tmp_path / name)
        for name, sampling in (("a", "balanced"), ("b", "balanced"), ("c", "uniform"), ("d", None))
    ]
    losses = [[record.train_loss for record in run.history] for run in runs]
    assert losses[0] == losses[1] != losses[2]
    assert losses[2] == losses[3]
