import torch
from torch import Tensor

from core.recipes import Augmentation
from training.augment.packed_pixels import pack, unpack
from training.augment.shift_flip_cutout import (
    Cutout,
    ShiftFlip,
    apply_cutout,
    apply_shift_flip,
    draw_cutout,
    draw_mixup_shares,
    draw_shift_flip,
)

FILL = torch.tensor([10, 20, 30], dtype=torch.uint8)
FLIP, SHIFT = Augmentation(flip=True), Augmentation(flip=False, translate=2)


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int = 64, height: int = 12, width: int = 10) -> Tensor:
    return torch.randint(40, 256, (n, height, width, 3), dtype=torch.uint8, generator=draw(9))


def views_of(before: Tensor, views: ShiftFlip) -> Tensor:
    return unpack(apply_shift_flip(pack(before), views))


def with_cutout(before: Tensor, cutout: Cutout) -> Tensor:
    return unpack(apply_cutout(pack(before), cutout, pack(FILL)))


def test_flip_mirrors_about_half_of_the_images() -> None:
    before = images(400)
    after = views_of(before, draw_shift_flip(400, FLIP, draw()))
    mirrored = (after == before.flip(2)).flatten(1).all(1)
    same = (after == before).flatten(1).all(1)
    assert torch.equal(mirrored, ~same)
    assert 150 < int(mirrored.sum()) < 250


def test_flip_uses_given_images() -> None:
    before = images(6)
    given = torch.tensor([True, False, False, True, True, False])
    after = views_of(before, draw_shift_flip(6, FLIP, draw(), given))
    assert torch.equal(after[given], before[given].flip(2))
    assert torch.equal(after[~given], before[~given])


def test_translate_crops_the_reflected_image_with_every_shift() -> None:
    before = images(300)
    after = views_of(before, draw_shift_flip(300, SHIFT, draw()))
    assert after.shape == before.shape
    assert after.dtype == torch.uint8
    padded = torch.nn.functional.pad(before.permute(0, 3, 1, 2).float(), (2, 2, 2, 2), mode="reflect")
    padded = padded.permute(0, 2, 3, 1).to(torch.uint8)
    seen = set()
    for old, new in zip(padded, after, strict=True):
        shifts = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if torch.equal(old[top : top + 12, left : left + 10], new)
        ]
        assert len(shifts) == 1
        seen.add(shifts[0])
    assert len(seen) == 25


def test_center_crop_is_the_image() -> None:
    middle = ShiftFlip(torch.tensor([2]), torch.tensor([2]), torch.tensor([False]), 2)
    assert torch.equal(views_of(images(1), middle), images(1))


def test_no_flip_and_translate_keep_the_image() -> None:
    nothing = Augmentation(flip=False)
    assert torch.equal(views_of(images(), draw_shift_flip(64, nothing, draw())), images())


def test_cutout_fills_one_square_with_the_given_color() -> None:
    before = images(300)
    after = with_cutout(before, draw_cutout(300, 12, 10, 4, draw()))
    filled = (after == FILL).all(3)
    assert torch.equal(after[~filled], before[~filled])
    areas = filled.flatten(1).sum(1)
    assert int(areas.max()) == 16
    assert int(areas.min()) >= 4  # a quarter of the square remains if the center is in a corner
    rows, columns = filled.any(2).sum(1), filled.any(1).sum(1)
    assert torch.equal(rows * columns, areas)


def test_shift_flip_is_reproducible_and_keeps_its_input() -> None:
    before = images()
    kept = before.clone()
    config = Augmentation(flip=True, translate=3)
    first, again, other = (views_of(before, draw_shift_flip(64, config, draw(seed))) for seed in (1, 1, 2))
    assert torch.equal(before, kept)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_mixup_shares_are_at_least_half() -> None:
    share = draw_mixup_shares(2_000, 1.0, draw())
    assert 0.5 <= float(share.min()) < float(share.max()) <= 1.0
    assert abs(float(share.mean()) - 0.75) < 0.01  # Beta(1, 1) is uniform


def test_mixup_shares_of_a_small_alpha_are_near_one() -> None:
    assert float(draw_mixup_shares(2_000, 0.1, draw()).mean()) > 0.9
