import numpy as np
import pytest
import torch

from training.outliers import outliers

IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (7, 16, 18, 3), dtype=np.uint8))


def drawn(count: int, seed: int = 0) -> torch.Tensor:
    return outliers(IMAGES, count, torch.Generator().manual_seed(seed))


def test_they_follow_the_generator_and_leave_the_images_alone() -> None:
    before = IMAGES.clone()
    made = drawn(9)
    assert (made.shape, made.dtype) == ((9, 16, 18, 3), torch.uint8)
    assert torch.equal(made, drawn(9))
    assert not torch.equal(made, drawn(9, seed=1))
    assert torch.equal(IMAGES, before)


def test_spectra_use_the_whole_range_and_fall_off_with_the_frequency() -> None:
    made = drawn(300)[0::3].float()
    assert made.amin((1, 2)).eq(0).all()
    assert made.amax((1, 2)).eq(255).all()
    power = torch.fft.rfft2(made, dim=(1, 2)).abs().square().mean((0, 3))
    assert power[0, 1] > 3 * power[0, 3] > 3 * power[0, 8]


def test_scrambled_images_keep_colours_and_amplitudes_but_not_their_phases() -> None:
    smooth = torch.full((4, 16, 16, 3), 128.0)
    smooth += 40 * torch.sin(torch.arange(16) * 2 * torch.pi / 16)[None, None, :, None]
    images = smooth.round().to(torch.uint8)
    made = outliers(images, 6, torch.Generator().manual_seed(0))[1::3]
    assert made.float().mean((1, 2)).sub(128).abs().max() < 1
    spectrum, original = (torch.fft.rfft2(each.float(), dim=(1, 2)) for each in (made, images[:2]))
    assert torch.allclose(spectrum.abs()[:, 0, 1], original.abs()[:, 0, 1], rtol=0.02)
    assert (spectrum.angle() - original.angle())[:, 0, 1].abs().min() > 0.01


@pytest.mark.parametrize("side", [16, 18])
def test_tiles_change_places_and_keep_their_pixels(side: int) -> None:
    tiles = torch.zeros((3, side, side, 3), dtype=torch.uint8)
    numbers = torch.arange(16, dtype=torch.uint8).reshape(4, 4).repeat_interleave(4, 0).repeat_interleave(4, 1)
    tiles[:, :16, :16] = numbers[None, :, :, None]
    made = outliers(tiles, 3, torch.Generator().manual_seed(0))[2]
    places = made[:16:4, :16:4, 0]
    assert sorted(places.flatten().tolist()) == list(range(16))
    assert not torch.equal(places, numbers[::4, ::4])
    assert torch.equal(made[:16, :16, 0], places.repeat_interleave(4, 0).repeat_interleave(4, 1))
    assert made[16:].eq(0).all()
