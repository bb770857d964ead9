import math

import pytest
import torch
from torch import Tensor

from core.recipes import Augmentation
from training.augment.packed_pixels import pack, unpack
from training.augment.warp import Warps, draw_warps, warp


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int = 3, height: int = 9, width: int = 9) -> Tensor:
    return torch.randint(0, 256, (n, height, width, 3), dtype=torch.uint8, generator=draw(9))


def warps(n: int, degrees: float = 0.0, height: float = 1.0, width: float = 1.0) -> Warps:
    return Warps(torch.full((n,), math.radians(degrees)), torch.full((n,), height), torch.full((n,), width))


def warped(before: Tensor, how: Warps) -> Tensor:
    return unpack(warp(pack(before), how))


def test_identity_warp_keeps_every_byte() -> None:
    assert torch.equal(warped(images(5_003), warps(5_003)), images(5_003))


@pytest.mark.parametrize(("degrees", "turns"), [(90, 1), (180, 2), (-90, 3)])
def test_rotation_by_90_degrees_is_exact(degrees: float, turns: int) -> None:
    expected = torch.rot90(images(), turns, (1, 2))
    assert torch.equal(warped(images(), warps(3, degrees)), expected)


def test_rotation_by_180_degrees_flips_both_axes() -> None:
    before = images(3, 6, 9)
    assert torch.equal(warped(before, warps(3, 180)), before.flip(1, 2))


def test_small_rotation_keeps_a_line_straight_and_its_length() -> None:
    before = torch.zeros(1, 41, 61, 3, dtype=torch.uint8)
    before[0, 20, 20:41] = 255
    after = warped(before, warps(1, 30))[0, :, :, 0].double()
    y_HW, x_HW = torch.meshgrid(torch.arange(41.0) - 20, torch.arange(61.0) - 30, indexing="ij")
    mass = after.sum()
    along = torch.tensor([float((after * axis * axis).sum() / mass) for axis in (y_HW, x_HW)])
    # A line of 21 pixels has a second moment of (21^2 - 1) / 12, divided between the axes by the angle.
    assert along[0] == pytest.approx((21**2 - 1) / 12 * math.sin(math.radians(30)) ** 2, rel=0.08)
    assert along[1] == pytest.approx((21**2 - 1) / 12 * math.cos(math.radians(30)) ** 2, rel=0.08)


def test_height_and_width_scale_independently() -> None:
    before = torch.zeros(1, 32, 32, 3, dtype=torch.uint8)
    before[0, 12:20, 12:20] = 200
    after = warped(before, warps(1, height=1.5, width=0.5))[0, :, 8:24, 0]  # the other columns are the reflected image
    rows, columns = (after > 100).any(1).sum(), (after > 100).any(0).sum()
    assert (int(rows), int(columns)) == (12, 4)


def test_warp_pads_by_reflection() -> None:
    before = torch.full((1, 8, 8, 3), 77, dtype=torch.uint8)
    assert torch.equal(warped(before, warps(1, 45, 0.5, 0.5)), before)


def test_drawn_warps_cover_the_configured_range() -> None:
    drawn = draw_warps(5_000, Augmentation(rotate=10, stretch=0.2), draw())
    assert math.radians(9.9) < float(drawn.angle_N.abs().max()) <= math.radians(10)
    for side_N in (drawn.height_N, drawn.width_N):
        assert 0.8 <= float(side_N.min()) < 0.81
        assert 1.19 < float(side_N.max()) <= 1.2
    assert not torch.equal(drawn.height_N, drawn.width_N)
    assert bool((drawn.angle_N < 0).any())


def test_rotation_or_scaling_can_be_configured_alone() -> None:
    assert torch.equal(draw_warps(5, Augmentation(rotate=10), draw()).height_N, torch.ones(5))
    assert torch.equal(draw_warps(5, Augmentation(stretch=0.1), draw()).angle_N, torch.zeros(5))


def test_each_image_uses_its_own_warp_across_chunks() -> None:
    before = images(500, 32, 32)
    how = draw_warps(500, Augmentation(rotate=40, stretch=0.3), draw())
    together = warped(before, how)
    for place in (0, 199, 200, 201, 499):
        assert torch.equal(together[place], warped(before[[place]], how[torch.tensor([place])])[0])
    assert len({image.numpy().tobytes() for image in together}) == 500


def test_scaling_is_applied_before_rotation() -> None:
    before = images(1, 16, 16)
    both = warped(before, warps(1, 90, height=0.6)).int()
    turned_after = torch.rot90(warped(before, warps(1, height=0.6)), 1, (1, 2)).int()
    turned_before = warped(torch.rot90(before, 1, (1, 2)), warps(1, height=0.6)).int()
    assert int((both - turned_after).abs().max()) <= 1  # rounding of values halfway between two integers may differ
    assert int((both - turned_before).abs().max()) > 50
