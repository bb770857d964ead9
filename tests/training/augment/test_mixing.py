"""Frequency mixing, texture mixing, and the choice between the methods."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from core.errors import SettingsError
from core.recipes import Augmentation
from tests.support.training_runs import small_recipe
from training.augment.frequency_mixing import mix_frequencies
from training.augment.packed_pixels import pack, unpack
from training.augment.robust import _partners_of_class, apply_robust_augmentation
from training.augment.texture_mixing import mix_textures

RANDOM = np.random.default_rng(0)
IMAGES = torch.from_numpy(RANDOM.integers(100, 150, (200, 3, 16, 18), dtype=np.uint8))
OTHERS = torch.from_numpy(RANDOM.integers(50, 90, (200, 3, 16, 18), dtype=np.uint8))


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def spectrum(images: torch.Tensor) -> torch.Tensor:
    transformed: torch.Tensor = torch.fft.rfft2(images.double())
    return transformed


def test_mixed_frequencies_keep_phases_or_low_frequencies() -> None:
    made = mix_frequencies(IMAGES, OTHERS, draw())
    mixed, own, other = (spectrum(each) for each in (made, IMAGES, OTHERS))
    # At a high frequency, a hybrid image has the phase of the other image, and a recombined one its own.
    high = (..., 7, 7)
    hybrid = ((mixed / other)[high].angle().abs() < 0.3).all(1)
    assert 60 < int(hybrid.sum()) < 140
    assert float((mixed / own)[high].angle().abs()[~hybrid].median()) < 0.05
    low = (hybrid, slice(None), 0, 1)
    assert ((mixed - own)[low].abs() < (mixed - other)[low].abs()).float().mean() > 0.9


def test_mixed_images_keep_mean_and_contrast() -> None:
    """The evaluation's corruptions contain changes of brightness and contrast; no training image may show them."""
    made = mix_frequencies(IMAGES, OTHERS, draw()).float()
    own = IMAGES.float()
    assert (made.mean((2, 3)) - own.mean((2, 3))).abs().max() < 1
    contrast = made.std((2, 3)) / own.std((2, 3))
    assert 0.85 < float(contrast.min()) <= float(contrast.max()) < 1.15
    assert float(contrast.median()) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("mix", [mix_frequencies, mix_textures])
def test_mixing_is_reproducible_and_keeps_its_input(mix: object) -> None:
    assert callable(mix)
    before = IMAGES.clone(), OTHERS.clone()
    made = mix(IMAGES, OTHERS, draw())
    assert (made.shape, made.dtype) == (IMAGES.shape, torch.uint8)
    assert torch.equal(made, mix(IMAGES, OTHERS, draw()))
    assert not torch.equal(made, mix(IMAGES, OTHERS, draw(1)))
    assert torch.equal(before[0], IMAGES)
    assert torch.equal(before[1], OTHERS)


def test_texture_has_at_most_half_of_the_mixture() -> None:
    black, white = torch.zeros_like(IMAGES), torch.full_like(IMAGES, 255)
    made = mix_textures(black, white, draw()).float().mean((1, 2, 3))
    assert made.max() <= 128
    assert made.max() > 100
    assert made.min() >= 0
    assert torch.equal(mix_textures(white, white, draw()), white)


def test_each_method_gets_its_share_of_the_images() -> None:
    images = pack(torch.from_numpy(RANDOM.integers(0, 256, (2_000, 8, 8, 3), dtype=np.uint8)))
    labels = torch.arange(2_000) % 10
    config = Augmentation(augmix=0.2, frequency_mixing=0.2, texture_mixing=0.1)
    made = apply_robust_augmentation(images, labels, config, draw())
    changed = (made != images).flatten(1).any(1).float().mean()
    assert 0.45 < float(changed) < 0.55
    assert torch.equal(apply_robust_augmentation(images, labels, Augmentation(), draw()), images)
    assert unpack(made).shape == (2_000, 8, 8, 3)


class _Operations(TorchDispatchMode):
    """Records the names of the executed operations."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def test_no_operation_waits_for_a_device() -> None:
    """The size of `nonzero` and the value of a scalar have to be read from a CUDA device, in every step."""
    images = pack(torch.from_numpy(RANDOM.integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)))
    config = Augmentation(augmix=0.2, frequency_mixing=0.2, texture_mixing=0.2)
    with _Operations() as executed:
        apply_robust_augmentation(images, torch.arange(40) % 4, config, draw())
    assert "index_put_" in executed.names
    assert not executed.names & {"nonzero", "masked_select", "_local_scalar_dense"}


def test_partners_are_others_of_the_same_class() -> None:
    labels = torch.tensor([3, 1, 3, 1, 1, 7])
    for seed in range(20):
        partner = _partners_of_class(labels, draw(seed))
        assert torch.equal(labels[partner], labels)
        assert sorted(partner.tolist()) == list(range(6))
        assert (partner == torch.arange(6)).nonzero().flatten().tolist() == [5]


def test_shares_of_more_than_one_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"add up to 1\.2"):
        small_recipe("cnn", **{"augmentation.augmix": 0.7, "augmentation.texture_mixing": 0.5})
