import numpy as np
import torch

from training.augment.outlier_exposure import outlier_images

IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (7, 16, 18, 3), dtype=np.uint8))


def drawn(count: int, seed: int = 0) -> torch.Tensor:
    return outlier_images(IMAGES, count, torch.Generator().manual_seed(seed))


def test_outliers_are_reproducible_and_keep_the_images() -> None:
    before = IMAGES.clone()
    made = drawn(9)
    assert (made.shape, made.dtype) == ((9, 16, 18, 3), torch.uint8)
    assert torch.equal(made, drawn(9))
    assert not torch.equal(made, drawn(9, seed=1))
    assert torch.equal(IMAGES, before)


def test_spectra_use_the_range_and_fall_off_with_frequency() -> None:
    made = drawn(400)[0::4].float()
    assert made.amin((1, 2)).eq(0).all()
    assert made.amax((1, 2)).eq(255).all()
    power = torch.fft.rfft2(made, dim=(1, 2)).abs().square().mean((0, 3))
    assert power[0, 1] > 3 * power[0, 3] > 3 * power[0, 8]


def test_scrambled_images_keep_amplitudes_but_not_phases() -> None:
    smooth = torch.full((4, 16, 16, 3), 128.0)
    smooth += 40 * torch.sin(torch.arange(16) * 2 * torch.pi / 16)[None, None, :, None]
    images = smooth.round().to(torch.uint8)
    made = outlier_images(images, 8, torch.Generator().manual_seed(0))[1::4]
    assert made.float().mean((1, 2)).sub(128).abs().max() < 1
    spectrum, original = (torch.fft.rfft2(each.float(), dim=(1, 2)) for each in (made, images[:2]))
    assert torch.allclose(spectrum.abs()[:, 0, 1], original.abs()[:, 0, 1], rtol=0.02)
    assert (spectrum.angle() - original.angle())[:, 0, 1].abs().min() > 0.01


def test_repeated_patch_comes_from_the_image() -> None:
    made = drawn(8)[2::4]
    for picture, image in zip(made, IMAGES[[2, 6]], strict=True):
        patch = picture[:2, :2]
        assert torch.equal(picture, patch.repeat(8, 9, 1))
        windows = image.unfold(0, 2, 1).unfold(1, 2, 1).permute(0, 1, 3, 4, 2).reshape(-1, 2, 2, 3)
        assert (windows == patch).flatten(1).all(1).any()


def test_gradients_are_monotonic_between_two_colors() -> None:
    for picture in drawn(40)[3::4].int():
        for steps in (picture.diff(dim=0), picture.diff(dim=1)):
            for channel in steps.unbind(-1):
                assert (channel >= 0).all() or (channel <= 0).all()
