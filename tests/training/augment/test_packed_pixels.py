import pytest
import torch

from training.augment.packed_pixels import chunks, pack, scale_packed, unpack
from training.data.preprocessing import scale_pixels

COLORS = torch.randint(0, 256, (5, 4, 3, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_unpack_inverts_pack() -> None:
    packed = pack(COLORS)
    assert (packed.dtype, packed.shape) == (torch.int32, (5, 4, 3))
    assert torch.equal(unpack(packed), COLORS)
    assert torch.equal(unpack(packed.flip(2)), COLORS.flip(2))


def test_single_color_packs_to_one_number() -> None:
    assert int(pack(torch.tensor([1, 2, 3], dtype=torch.uint8))) == 1 + 2 * 256 + 3 * 256**2


def test_scale_packed_matches_scale_pixels() -> None:
    scaled = scale_packed(pack(COLORS))
    assert torch.equal(scaled[..., :3], scale_pixels(COLORS))
    assert not scaled[..., 3].any()


@pytest.mark.parametrize(("count", "parts"), [(0, 0), (1, 1), (200, 1), (201, 2), (2_000, 10)])
def test_chunks_cover_every_image_once(count: int, parts: int) -> None:
    sizes = [len(torch.arange(count)[part]) for part in chunks(torch.empty(count, 32, 32))]
    assert (len(sizes), sum(sizes)) == (parts, count)


def test_chunks_have_at_least_one_image() -> None:
    assert list(chunks(torch.empty(2, 500, 500))) == [slice(0, 1), slice(1, 2)]


def test_chunks_are_larger_but_limited_on_accelerators() -> None:
    many = torch.empty(45_000, 32, 32, dtype=torch.int32, device="meta")
    assert [part.stop - part.start for part in chunks(many)] == [20_000] * 3
