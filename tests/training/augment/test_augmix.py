from collections.abc import Callable

import numpy as np
import torch
from PIL import Image, ImageOps

from training.augment import augmix as module
from training.augment.augmix import augmix

IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (6, 3, 16, 18), dtype=np.uint8))


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def natural(count: int) -> torch.Tensor:
    """Smooth images with unevenly distributed values, uint8 [count, 3, 32, 32]."""
    waves = np.random.default_rng(1).normal(size=(count, 3, 5, 5))
    planes = torch.nn.functional.interpolate(torch.from_numpy(waves), size=(32, 32), mode="bicubic")
    return (110 + 40 * planes).clamp(0, 255).round().to(torch.uint8)


def test_augmix_is_reproducible_and_keeps_its_input() -> None:
    before = IMAGES.clone()
    made = augmix(IMAGES, draw())
    assert (made.shape, made.dtype) == (IMAGES.shape, torch.uint8)
    assert torch.equal(made, augmix(IMAGES, draw()))
    assert not torch.equal(made, augmix(IMAGES, draw(1)))
    assert torch.equal(IMAGES, before)


def test_augmix_keeps_images_similar() -> None:
    images = natural(50)
    made = augmix(images, draw())
    for image, changed in zip(images.double(), made.double(), strict=True):
        assert np.corrcoef(image.flatten(), changed.flatten())[0, 1] > 0.5
    assert (made != images).flatten(1).any(1).float().mean() > 0.8


def test_augmix_mixes_different_images_differently() -> None:
    """Random numbers are drawn per image: equal images become different."""
    made = augmix(IMAGES[:1].expand(6, -1, -1, -1), draw())
    assert len({bytes(picture.numpy()) for picture in made}) == 6


def tables(operation: int, level: float, images: torch.Tensor) -> torch.Tensor:
    """The images after one color operation, uint8."""
    index = images.reshape(len(images), 3, -1).long()
    counts = torch.zeros(len(images), 3, 256).scatter_add_(2, index, torch.ones_like(index, dtype=torch.float32))
    table = module._color_table(torch.full((len(images),), operation), torch.full((len(images),), level), counts)
    return table.gather(2, index).view(images.shape).to(torch.uint8)


def test_color_operations_match_pillow() -> None:
    images = natural(4)
    pillow_images = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images]
    cases: list[tuple[int, float, Callable[[Image.Image], Image.Image], int]] = [
        (module._EQUALIZE, 1.0, ImageOps.equalize, 0),
        (module._POSTERIZE, 2.6, lambda picture: ImageOps.posterize(picture, 3), 0),
        (module._SOLARIZE, 2.5, lambda picture: ImageOps.solarize(picture, 192), 0),
        (module._AUTOCONTRAST, 1.0, ImageOps.autocontrast, 1),
    ]
    for operation, level, reference, tolerance in cases:
        expected = np.stack([np.asarray(reference(picture)) for picture in pillow_images]).astype(int)
        found = tables(operation, level, images).permute(0, 2, 3, 1).numpy().astype(int)
        assert np.abs(found - expected).max() <= tolerance


def test_geometric_operations_scale_with_their_level() -> None:
    kinds = torch.tensor([module._TRANSLATE_X, module._ROTATE, module._SHEAR_Y, module._IDENTITY])
    maps = module._affine_map(kinds, torch.tensor([3.0, -3.0, 3.0, 3.0]), 32, 32)
    assert torch.allclose(maps[0], torch.tensor([[1.0, 0, 0.2], [0, 1, 0], [0, 0, 1]]))
    angle = torch.tensor(-9.0).deg2rad()
    assert torch.allclose(maps[1][:2, :2], torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]]))
    assert torch.allclose(maps[2], torch.tensor([[1.0, 0, 0], [0.09, 1, 0], [0, 0, 1]]))
    assert torch.equal(maps[3], torch.eye(3))


def test_autocontrast_keeps_a_constant_channel() -> None:
    flat = torch.full((1, 3, 8, 8), 77, dtype=torch.uint8)
    assert torch.equal(tables(module._AUTOCONTRAST, 1.0, flat), flat)
