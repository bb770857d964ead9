"""Parts of the images of a folder: the rule for new images, and the record of known images."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DataError
from tests.support.labelled_folders import picture, write_labelled_folder
from training.data.image_folder import load_folder
from training.data.image_parts import PARTS_NAME, part_of
from training.data.splits import SEED, Split
from training.data.types import ImageDataset

PARTS = ("train", "validation", "holdout", "test")


def keys(count: int, seed: int) -> list[int]:
    return [int(key) for key in np.random.default_rng(seed).integers(0, 2**64, count, dtype=np.uint64)]


def part_by_key(loaded: tuple[ImageDataset, Split]) -> dict[int, str]:
    dataset, split = loaded
    assert dataset.training.keys_N is not None
    assert dataset.test.keys_N is not None
    found = {int(key): "test" for key in dataset.test.keys_N}
    for name in PARTS[:3]:
        found |= {int(key): name for key in dataset.training.keys_N[getattr(split, name)]}
    return found


@given(count=st.integers(4, 40), seed=st.integers(0, 2**32))
def test_part_of_is_independent_of_the_order(count: int, seed: int) -> None:
    all_keys = keys(count, seed)
    parts = part_of(all_keys)
    assert set(parts) == set(PARTS)
    order = np.random.default_rng(seed).permutation(count)
    shuffled = part_of([all_keys[position] for position in order])
    assert [shuffled[list(order).index(position)] for position in range(count)] == parts


def test_part_shares_match_the_configuration() -> None:
    found = Counter(part_of(keys(20_000, 0)))
    shares = {name: count / 20_000 for name, count in found.items()}
    assert shares == pytest.approx({"train": 0.7, "validation": 0.1, "holdout": 0.1, "test": 0.1}, abs=0.01)


@given(first=st.integers(4, 60), more=st.integers(0, 60), removed=st.integers(0, 3), seed=st.integers(0, 2**32))
def test_known_images_keep_their_part(first: int, more: int, removed: int, seed: int) -> None:
    """Only a training image may become a validation image, which no version may use as holdout."""
    all_keys = keys(first + more, seed)
    known = dict(zip(all_keys[:first], part_of(all_keys[:first]), strict=True))
    later = all_keys[removed:]
    for key, part in zip(later, part_of(later, known), strict=True):
        old = known.get(key, part)
        assert part == old or (old, part) == ("train", "validation")


def test_images_keep_their_part_through_every_change(tmp_path: Path) -> None:
    path = write_labelled_folder(tmp_path, "colors", {"night": 5, "grass": 40})
    before = part_by_key(load_folder("colors", image_size=8, home=tmp_path))
    write_labelled_folder(tmp_path, "colors", {"night": 30, "sand": 20})  # more images, and a new class
    (path / "grass" / "0003").rename(path / "night" / "corrected")
    for number in range(10, 20):
        (path / "grass" / f"{number:04}").unlink()
    grown = part_by_key(load_folder("colors", image_size=16, home=tmp_path))
    assert len(grown) == 30 + 30 + 20
    assert all(grown[key] == before[key] for key in grown.keys() & before.keys())
    write_labelled_folder(tmp_path, "colors", {"grass": 3})
    (path / "night" / "corrected").unlink()
    for number in range(10, 20):
        (path / "grass" / f"{number:04}").write_bytes(picture("grass", number))
    back = part_by_key(load_folder("colors", image_size=8, home=tmp_path))
    assert all(back[key] == before[key] for key in back.keys() & before.keys())


def key_of(content: bytes) -> int:
    digest = hashlib.sha256(SEED.to_bytes(8, "big") + hashlib.sha256(content).digest()).digest()
    return int.from_bytes(digest[:8], "big")


def remove(path: Path, part: str, before: dict[int, str]) -> None:
    """Remove the one image of the class night in this part."""
    [removed] = [file for file in (path / "night").iterdir() if before[key_of(file.read_bytes())] == part]
    removed.unlink()


def test_class_whose_holdout_image_was_removed_needs_a_new_one(tmp_path: Path) -> None:
    path = write_labelled_folder(tmp_path, "colors", {"night": 5, "grass": 40})
    before = part_by_key(load_folder("colors", home=tmp_path))
    remove(path, "holdout", before)
    with pytest.raises(DataError, match="class 'night' has no holdout image any more"):
        load_folder("colors", home=tmp_path)
    (path / "night" / "new").write_bytes(picture("night", 99))
    after = part_by_key(load_folder("colors", home=tmp_path))
    assert [name for key, name in after.items() if key not in before] == ["holdout"]


def test_class_whose_test_image_was_removed_gets_the_next_one(tmp_path: Path) -> None:
    path = write_labelled_folder(tmp_path, "colors", {"night": 5, "grass": 40})
    before = part_by_key(load_folder("colors", home=tmp_path))
    remove(path, "test", before)
    told: list[str] = []
    without = part_by_key(load_folder("colors", home=tmp_path, note=told.append))
    assert all(before[key] == part for key, part in without.items())
    assert any("1 of 2 classes have too few images for a test image" in text for text in told)
    (path / "night" / "new").write_bytes(picture("night", 99))
    after = part_by_key(load_folder("colors", home=tmp_path))
    assert [name for key, name in after.items() if key not in before] == ["test"]


def test_folder_whose_test_images_were_all_removed_is_refused(tmp_path: Path) -> None:
    path = write_labelled_folder(tmp_path, "colors", {"night": 5, "grass": 5})
    before = part_by_key(load_folder("colors", home=tmp_path))
    for file in path.glob("*/*"):
        if before[key_of(file.read_bytes())] == "test":
            file.unlink()
    with pytest.raises(DataError, match="no class has a test image any more"):
        load_folder("colors", home=tmp_path)


@given(count=st.integers(2, 3), seed=st.integers(0, 2**32))
def test_small_classes_are_trained_and_held_out(count: int, seed: int) -> None:
    assert sorted(part_of(keys(count, seed))) == (["holdout", "train"] if count == 2 else ["holdout", "test", "train"])
    if count == 3:
        assert sorted(part_of(keys(count, seed), third="validation")) == ["holdout", "train", "validation"]


def test_removed_validation_image_is_replaced_by_a_training_image(tmp_path: Path) -> None:
    path = write_labelled_folder(tmp_path, "colors", {"night": 5, "grass": 40})
    before = part_by_key(load_folder("colors", home=tmp_path))
    [removed] = [file for file in (path / "night").iterdir() if before[key_of(file.read_bytes())] == "validation"]
    removed.unlink()
    after = part_by_key(load_folder("colors", home=tmp_path))
    moved = [(before[key], name) for key, name in after.items() if before[key] != name]
    assert moved == [("train", "validation")]


@pytest.mark.parametrize("content", [b"", b"x"])
def test_damaged_record_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = write_labelled_folder(tmp_path, "colors", {"night": 5, "grass": 5})
    load_folder("colors", home=tmp_path)
    (path / PARTS_NAME).write_bytes(content)
    with pytest.raises(DataError, match=r"\.parts\.npz cannot be read"):
        load_folder("colors", home=tmp_path)
