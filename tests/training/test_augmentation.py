import torch
from torch import Tensor

from core.recipes import Augmentation
from training.augmentation import augment, cutout, flip, translate

FILL = torch.tensor([10, 20, 30], dtype=torch.uint8)


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int = 64, height: int = 12, width: int = 10) -> Tensor:
    return torch.randint(40, 256, (n, height, width, 3), dtype=torch.uint8, generator=draw(9))


def test_flip_mirrors_about_half_of_the_images_and_leaves_the_rest() -> None:
    before = images(400)
    after = flip(before, draw())
    mirrored = (after == before.flip(2)).flatten(1).all(1)
    same = (after == before).flatten(1).all(1)
    assert torch.equal(mirrored, ~same)
    assert 150 < int(mirrored.sum()) < 250


def test_translate_gives_windows_of_the_reflected_image_and_uses_every_shift() -> None:
    before = images(300)
    after = translate(before, 2, draw())
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


def test_cutout_paints_one_square_of_the_given_colour_and_nothing_else() -> None:
    before = images(300)
    after = cutout(before, 4, FILL, draw())
    painted = (after == FILL).all(3)
    assert torch.equal(after[~painted], before[~painted])
    areas = painted.flatten(1).sum(1)
    assert int(areas.max()) == 16
    assert int(areas.min()) >= 4  # a centre in a corner leaves a quarter of the square
    rows, columns = painted.any(2).sum(1), painted.any(1).sum(1)
    assert torch.equal(rows * columns, areas)


def test_augment_follows_the_generator_and_leaves_its_input_alone() -> None:
    before = images()
    kept = before.clone()
    config = Augmentation(flip=True, translate=3, cutout=5)
    first, again, other = (augment(before, config, FILL, draw(seed)) for seed in (1, 1, 2))
    assert torch.equal(before, kept)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_augment_with_everything_off_is_the_identity() -> None:
    before = images()
    assert torch.equal(augment(before, Augmentation(flip=False), FILL, draw()), before)
