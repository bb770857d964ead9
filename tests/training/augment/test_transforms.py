import pytest
import torch
from torch import Tensor

from core.recipes import Augmentation
from training.augment.packed_pixels import pack
from training.augment.transforms import Transforms, draw_transforms, round_transforms
from training.data.preprocessing import scale_pixels

FILL = torch.tensor([1, 2, 3], dtype=torch.uint8)
EVERYTHING = Augmentation(flip=True, translate=2, rotate=20, stretch=0.2, cutout=3, mixup=1.0)
N = 50
ALL = torch.arange(N)


def images() -> Tensor:
    return torch.randint(40, 256, (N, 8, 9, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(9))


def drawn(config: Augmentation, seed: int = 0) -> Transforms:
    return draw_transforms(N, 8, 9, config, torch.Generator().manual_seed(seed))


def all_pixels(transforms: Transforms) -> Tensor:
    return transforms.pixels(transforms.views(pack(images()), pack(FILL)))


def test_pixels_of_a_subset_match_those_of_all_images() -> None:
    transforms = drawn(EVERYTHING)
    whole = all_pixels(transforms)
    some = torch.tensor([7, 3, 49, 3])
    assert torch.equal(transforms.pixels(transforms.views(pack(images()), pack(FILL)), some), whole[some])
    assert not torch.equal(whole, scale_pixels(images()))


def test_mixup_uses_the_view_of_the_partner() -> None:
    mixing = drawn(EVERYTHING)
    assert mixing.partner_N is not None
    assert mixing.share_N is not None
    assert sorted(mixing.partner_N.tolist()) == ALL.tolist()
    alone = all_pixels(Transforms(mixing.shift_flip, mixing.warps, mixing.cutout, None, None))
    share = mixing.share_N[:, None, None, None]
    expected = share * alone + (1 - share) * alone[mixing.partner_N]
    assert torch.allclose(all_pixels(mixing), expected, atol=1e-6)
    targets = mixing.targets(torch.eye(N), ALL)
    assert torch.allclose(targets.sum(1), torch.ones(N))
    apart = mixing.partner_N != ALL
    assert torch.allclose(targets[ALL, ALL][apart], mixing.share_N[apart])


def test_mixup_across_chunks_matches_small_batches() -> None:
    transforms = draw_transforms(5_003, 8, 9, EVERYTHING, torch.Generator().manual_seed(0))
    views_NHW = transforms.views(pack(images()).repeat(101, 1, 1)[:5_003], pack(FILL))
    whole = transforms.pixels(views_NHW)
    for few in (slice(0, 7), slice(2_800, 2_900), slice(4_990, 5_003)):
        assert torch.equal(transforms.pixels(views_NHW, torch.arange(5_003)[few]), whole[few])


def test_no_augmentation_keeps_images_and_labels() -> None:
    transforms = drawn(Augmentation(flip=False))
    assert torch.equal(all_pixels(transforms), scale_pixels(images()))
    assert torch.equal(transforms.targets(torch.eye(N), ALL), torch.eye(N))


def test_rounds_are_reproducible_and_different() -> None:
    first, again, second = (all_pixels(round_transforms(N, 8, 9, EVERYTHING, number)) for number in (0, 0, 1))
    assert torch.equal(first, again)
    assert not (first == second).flatten(1).all(1).any()


def test_alternating_images_are_mirrored_in_every_other_round() -> None:
    config = Augmentation(flip=True, alternate=True)
    first, second, third = (round_transforms(N, 8, 9, config, number).shift_flip.mirrored_N for number in range(3))
    assert torch.equal(first, third)
    assert torch.equal(first, ~second)
    assert 0 < int(first.sum()) < N


def test_cutmix_pastes_a_rectangle_and_mixes_the_label_by_area() -> None:
    transforms = drawn(Augmentation(flip=False, cutmix=1.0))
    assert transforms.boxes is not None
    assert transforms.partner_N is not None
    whole = pack(images())
    views_NHW = transforms.views(whole, pack(FILL))
    own, other = views_NHW == whole, views_NHW == whole[transforms.partner_N]
    assert (own | other).all()
    boxes, targets = transforms.boxes, transforms.targets(torch.eye(N), ALL)
    area = (boxes.bottom_N - boxes.top_N) * (boxes.right_N - boxes.left_N)
    assert torch.allclose(boxes.kept_N, 1 - area / 72)
    assert 0.3 < float(boxes.kept_N.mean()) < 0.9
    for row in range(N):
        inside = torch.zeros(8, 9, dtype=torch.bool)
        inside[boxes.top_N[row] : boxes.bottom_N[row], boxes.left_N[row] : boxes.right_N[row]] = True
        assert own[row][~inside].all()
        assert other[row][inside].all()
        if transforms.partner_N[row] != row:
            assert targets[row, row].item() == pytest.approx(boxes.kept_N[row].item())
            assert targets[row, transforms.partner_N[row]].item() == pytest.approx(
                1 - boxes.kept_N[row].item(), abs=1e-6
            )


def test_cutmix_and_mixup_exclude_each_other_per_image() -> None:
    config = Augmentation(flip=False, cutmix=0.5, mixup=1.0)
    transforms = draw_transforms(400, 8, 9, config, torch.Generator().manual_seed(0))
    assert transforms.boxes is not None
    assert transforms.share_N is not None
    pasted = transforms.boxes.kept_N < 1
    assert 100 < int(pasted.sum()) < 260
    assert transforms.share_N[pasted].eq(1).all()
    assert transforms.share_N[~pasted].lt(1).any()
    targets = transforms.targets(torch.eye(400), torch.arange(400))
    assert torch.allclose(targets.sum(1), torch.ones(400), atol=1e-5)
    # Pixels are mixed like labels: the value of each constant image is its number.
    values = torch.arange(400).remainder(256).to(torch.uint8)
    plain = values[:, None, None, None].expand(400, 8, 9, 3).contiguous()
    pixels = transforms.pixels(transforms.views(pack(plain), pack(FILL)))
    assert torch.allclose(pixels.mean((1, 2, 3)), targets @ (values / 255), atol=1e-4)
