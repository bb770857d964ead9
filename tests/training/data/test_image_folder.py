"""Image folder data sets: decoding, skipped files and splits."""

from __future__ import annotations

import io
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.errors import ConfigurationError, DataError, LowMemoryError
from core.images.decode import decode_image
from core.images.limits import configured_max_pixels
from core.jobs.events import Note
from core.repository.manifest import Geometry
from tests.support.labelled_folders import COLORS, picture, write_labelled_folder
from training.data import image_folder as folder_module
from training.data.image_folder import load_folder
from training.data.split_dataset import Images
from training.data.splits import Split
from training.data.types import ImageDataset, LabelledImages

PARTS = ("train", "validation", "holdout", "test")


def parts_of(dataset: ImageDataset, split: Split) -> dict[str, LabelledImages]:
    training = dataset.training
    parts = {
        name: LabelledImages(training.images_NHWC[index_N], training.labels_N[index_N])
        for name, index_N in (("train", split.train), ("validation", split.validation), ("holdout", split.holdout))
    }
    return parts | {"test": dataset.test}


def contents(images: LabelledImages) -> set[bytes]:
    return {image_HWC.tobytes() for image_HWC in images.images_NHWC}


def test_images_are_decoded_like_in_the_service(tmp_path: Path) -> None:
    path = write_labelled_folder(tmp_path, "colors", {"snow": 25, "night": 20, "grass": 20}, mixed=True)
    modes = {Image.open(io.BytesIO(file.read_bytes())).mode for file in path.rglob("0*")}
    assert modes >= {"RGB", "RGBA", "P", "L", "CMYK"}
    dataset, split = load_folder("colors", image_size=24, home=tmp_path)
    assert dataset.class_names == ("grass", "night", "snow")
    assert dataset.name == "folder:colors"
    assert dataset.training.images_NHWC.shape[1:] == (24, 24, 3)
    expected = {
        (label, decode_image(file.read_bytes(), height=24, width=24, geometry="crop").pixels_HWC.tobytes())
        for label in COLORS
        for file in (path / label).glob("*")
    }
    found = {
        (dataset.class_names[label], image_HWC.tobytes())
        for part in (dataset.training, dataset.test)
        for image_HWC, label in zip(part.images_NHWC, part.labels_N, strict=True)
    }
    assert found == expected
    assert np.sort(np.concatenate([split.train, split.validation, split.holdout])).tolist() == list(
        range(len(dataset.training))
    )


def test_geometry_is_applied_and_recorded(tmp_path: Path) -> None:
    path = write_labelled_folder(tmp_path, "colors", {"night": 4, "grass": 4})
    geometries: tuple[Geometry, ...] = ("stretch", "crop", "pad")
    for geometry in geometries:
        dataset, _ = load_folder("colors", geometry=geometry, home=tmp_path)
        assert dataset.geometry == geometry
        assert contents(dataset.training) | contents(dataset.test) == {
            decode_image(file.read_bytes(), height=32, width=32, geometry=geometry).pixels_HWC.tobytes()
            for file in path.rglob("0*")
        }


def test_every_class_is_in_every_part_in_its_proportion(tmp_path: Path) -> None:
    write_labelled_folder(tmp_path, "colors", {"night": 4, "grass": 40, "sand": 150})
    parts = parts_of(*load_folder("colors", image_size=8, home=tmp_path))
    for part in parts.values():
        assert set(part.labels_N.tolist()) == {0, 1, 2}
    assert [int((parts[name].labels_N == 1).sum()) for name in PARTS] == [1, 1, 1, 1]
    shares = [(parts[name].labels_N == 2).mean() for name in PARTS]
    assert max(shares) - min(shares) < 0.25
    assert 0.6 < len(parts["train"]) / 194 < 0.8


def test_keys_follow_the_content_and_not_the_size(tmp_path: Path) -> None:
    write_labelled_folder(tmp_path, "colors", {"night": 12, "grass": 15})
    small, large = (load_folder("colors", image_size=size, home=tmp_path)[0] for size in (8, 24))
    for part in ("training", "test"):
        keys_N, same_N = getattr(small, part).keys_N, getattr(large, part).keys_N
        assert keys_N.dtype == np.uint64
        assert keys_N.tolist() == same_N.tolist()
    assert len({*small.training.keys_N.tolist(), *small.test.keys_N.tolist()}) == 27  # type: ignore[union-attr]
    images = Images(*load_folder("colors", image_size=8, home=tmp_path))
    holdout_keys_N = images.part("holdout").keys_N
    assert holdout_keys_N is not None
    assert images.dataset.training.keys_N is not None
    assert holdout_keys_N.tolist() == images.dataset.training.keys_N[images.split.holdout].tolist()


def test_split_does_not_depend_on_file_names(tmp_path: Path) -> None:
    path = write_labelled_folder(tmp_path, "one", {"night": 12, "grass": 15})
    for number, file in enumerate(sorted(path.rglob("0*"), reverse=True)):
        target = path.with_name("two") / file.parent.name / f"renamed {number}.jpeg"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    (one, one_split), (two, two_split) = load_folder("one", home=tmp_path), load_folder("two", home=tmp_path)
    assert one.digest == two.digest
    assert one_split.digest == two_split.digest
    assert (one.name, two.name) == ("folder:one", "folder:two")


def test_added_images_change_no_part(tmp_path: Path) -> None:
    write_labelled_folder(tmp_path, "colors", {"night": 20, "grass": 30})
    before = parts_of(*load_folder("colors", home=tmp_path))
    write_labelled_folder(tmp_path, "colors", {"night": 60, "grass": 80, "sand": 9})
    after = parts_of(*load_folder("colors", home=tmp_path))
    assert all(contents(before[name]) < contents(after[name]) for name in PARTS)


def test_invalid_files_are_skipped_and_listed(tmp_path: Path) -> None:
    path = write_labelled_folder(tmp_path, "colors", {"night": 6, "grass": 6})
    (path / "night" / "notes.txt").write_bytes(b"nothing to see")
    (path / "night" / "cut.png").write_bytes(picture("night", 99)[:300])
    (path / "grass" / "empty.png").write_bytes(b"")
    (path / "grass" / "copy.png").write_bytes(picture("grass", 0))
    (path / "loose.png").write_bytes(b"x")
    told: list[str] = []
    dataset, _ = load_folder("colors", home=tmp_path, note=told.append)
    assert len(dataset.training) + len(dataset.test) == 12
    [note] = told
    assert note.startswith("folder:colors: 12 images used, 5 files left out: loose.png (not in a class folder)")
    for part in ("night/notes.txt (the data is not an image", "night/cut.png (the PNG image is damaged", "grass/empty"):
        assert part in note
    assert re.search(r"grass/(copy.png|0000) \(the same image as grass/(copy.png|0000)\)", note)


def test_images_over_the_pixel_limit_of_the_service_are_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_labelled_folder(tmp_path, "colors", {"night": 5, "grass": 5})
    Image.new("RGB", (200, 100)).save(path / "night" / "large.png")
    notes: list[str] = []
    monkeypatch.setenv("DUET_MAX_PIXELS", "19999")
    load_folder("colors", home=tmp_path, note=notes.append)
    assert "1 files left out: night/large.png (the image has 200x100 pixels" in notes[0]
    monkeypatch.setenv("DUET_MAX_PIXELS", "20000")
    load_folder("colors", home=tmp_path, note=notes.append)
    assert len(notes) == 1


@pytest.mark.parametrize("value", ["0", "-1", "many", "1e6", "\u0663", "9" * 30])
def test_pixel_limit_that_is_no_number_is_an_error(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUET_MAX_PIXELS", value)
    with pytest.raises(ConfigurationError, match="DUET_MAX_PIXELS is not a positive whole number"):
        configured_max_pixels()


def test_images_that_do_not_fit_into_memory_are_refused_before_any_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_labelled_folder(tmp_path, "colors", {"snow": 5, "night": 5})
    needed = 3 * 10 * 32 * 32 * 3
    monkeypatch.setattr("core.memory.available_memory", lambda: needed)
    load_folder("colors", home=tmp_path)
    monkeypatch.setattr(folder_module, "_decode_file", lambda *_: pytest.fail("an image was read"))
    with pytest.raises(LowMemoryError, match="reading 10 images of 64x64 pixels needs at least"):
        load_folder("colors", image_size=64, home=tmp_path)


def test_file_name_that_is_not_utf8_is_escaped(tmp_path: Path) -> None:
    path = write_labelled_folder(tmp_path, "colors", {"night": 6, "grass": 6})
    (path / "night" / os.fsdecode(b"caf\xe9.txt")).write_bytes(b"nothing to see")
    (path / "grass" / os.fsdecode(b"cop\xefe")).write_bytes(picture("grass", 0))
    told: list[str] = []
    load_folder("colors", home=tmp_path, note=told.append)
    [note] = told
    assert r"night/caf\xe9.txt (the data is not an image" in note
    assert re.search(r"grass/(cop\\xefe|0000) \(the same image as grass/(cop\\xefe|0000)\)", note)
    assert Note.model_validate_json(Note(text=note).model_dump_json()).text == note


def test_image_with_two_labels_is_skipped(tmp_path: Path) -> None:
    path = write_labelled_folder(tmp_path, "colors", {"night": 5, "grass": 5})
    (path / "night" / "x").write_bytes(picture("grass", 1))
    told: list[str] = []
    dataset, _ = load_folder("colors", home=tmp_path, note=told.append)
    assert len(dataset.training) + len(dataset.test) == 9
    assert "10 images used" not in told[0]
    assert told[0].count("the same image has different classes") == 2


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"night": 5}, "it has 1 class and needs at least 2"),
        ({"night": 5, "grass": 0}, "class 'grass' is empty and needs at least 2"),
        ({"night": 1, "grass": 5}, "class 'night' has 1 image and needs at least 2. Add images"),
        (
            {"night": 2, "grass": 2},
            "its classes have 0 images beyond 2 each and need at least 2 for validation and test",
        ),
        ({}, "unknown data set 'colors'"),
    ],
)
def test_folder_with_too_few_classes_or_images_is_refused(tmp_path: Path, counts: dict[str, int], message: str) -> None:
    write_labelled_folder(tmp_path, "colors", counts)
    with pytest.raises(DataError, match=re.escape(message)):
        load_folder("colors", home=tmp_path)


def test_class_too_small_without_broken_files_is_refused(tmp_path: Path) -> None:
    path = write_labelled_folder(tmp_path, "colors", {"night": 1, "grass": 5})
    (path / "night" / "broken").write_bytes(b"x")
    with pytest.raises(DataError, match=r"class 'night' has 1 image and needs at least 2; left out: night/broken \("):
        load_folder("colors", home=tmp_path)


@pytest.mark.parametrize(("images", "parts"), [(2, ["holdout", "train"]), (3, ["holdout", "test", "train"])])
def test_small_class_has_training_and_holdout_images(tmp_path: Path, images: int, parts: list[str]) -> None:
    """Whatever the keys of its images select."""
    classes = {f"small {number}": images for number in range(20)}
    write_labelled_folder(tmp_path, "colors", {"night": 40, **classes})
    told: list[str] = []
    dataset, split = load_folder("colors", image_size=8, home=tmp_path, note=told.append)
    assert len(dataset.training) + len(dataset.test) == 40 + 20 * images
    found: dict[int, list[str]] = {}
    for name in ("train", "validation", "holdout"):
        for label in dataset.training.labels_N[getattr(split, name)].tolist():
            found.setdefault(label, []).append(name)
    for label in dataset.test.labels_N.tolist():
        found.setdefault(label, []).append("test")
    assert all(sorted(found[dataset.class_names.index(label)]) == parts for label in classes)
    unmeasured = [text for text in told if "their recall is not measured" in text]
    if images == 2:
        [sentence] = unmeasured
        assert sentence.startswith("folder:colors: 20 of 21 classes have too few images for a test image")
        assert "small 0, small 1" in sentence
    else:
        assert unmeasured == []


def test_classes_of_three_have_validation_and_test_images(tmp_path: Path) -> None:
    write_labelled_folder(tmp_path, "colors", {f"class {number}": 3 for number in range(9)})
    dataset, split = load_folder("colors", image_size=8, home=tmp_path)
    counts = [len(split.train), len(split.validation), len(split.holdout), len(dataset.test)]
    assert counts == [9, 4, 9, 5]


def test_small_class_keeps_its_parts_when_it_grows(tmp_path: Path) -> None:
    write_labelled_folder(tmp_path, "colors", {"grass": 20, "night": 2})
    load_folder("colors", image_size=8, home=tmp_path)
    write_labelled_folder(tmp_path, "colors", {"night": 4})
    dataset, split = load_folder("colors", image_size=8, home=tmp_path)
    night = dataset.class_names.index("night")
    parts = [dataset.training.labels_N[getattr(split, name)].tolist().count(night) for name in ("train", "holdout")]
    assert parts == [1, 1]
    assert dataset.test.labels_N.tolist().count(night) == 1


def test_folder_with_one_class_lists_ignored_files(tmp_path: Path) -> None:
    path = write_labelled_folder(tmp_path, "colors", {"night": 5})
    (path / "grass").symlink_to(path / "night")
    (path / "loose.png").write_bytes(picture("night", 9))
    refusal = r"needs at least 2; left out: grass \(a link, .*\); loose\.png \(not in a class folder\)\."
    with pytest.raises(DataError, match=refusal):
        load_folder("colors", home=tmp_path)


@pytest.mark.parametrize("name", ["../colors", "/etc", "a/b", "cifar10"])
def test_path_traversal_in_the_name_is_refused(tmp_path: Path, name: str) -> None:
    write_labelled_folder(tmp_path, "colors", {"night": 5, "grass": 5})
    with pytest.raises(DataError, match=r"is not a valid data set name|built-in"):
        load_folder(name, home=tmp_path / "datasets")


def test_reading_reports_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "NOTE_SECONDS", 0.0)
    write_labelled_folder(tmp_path, "colors", {"night": 5, "grass": 5})
    told: list[str] = []
    load_folder("colors", home=tmp_path, note=told.append)
    assert told[0] == "folder:colors: 1 of 10 files read"
    assert told[-1] == "folder:colors: 10 of 10 files read"


def smooth(number: int, *, quality: int | None = None) -> bytes:
    """A smooth picture of 64x64 pixels, as PNG, or as JPEG of a quality."""
    small_HWC = np.random.default_rng(number).integers(0, 255, (6, 6, 3)).astype(np.uint8)
    stream = io.BytesIO()
    image = Image.fromarray(small_HWC).resize((64, 64), Image.Resampling.BICUBIC)
    image.save(stream, "PNG") if quality is None else image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_near_duplicates_are_in_one_part(tmp_path: Path) -> None:
    for number in range(60):
        write(tmp_path / "datasets" / "c" / "ab"[number % 2] / f"{number}", smooth(number))
        if number >= 30:
            write(tmp_path / "datasets" / "c" / "ab"[number % 2] / f"{number}.jpg", smooth(number, quality=70))
    told: list[str] = []
    parts = parts_of(*load_folder("c", home=tmp_path, note=told.append))
    assert told == [
        "folder:c: 60 images are near duplicates, in 30 groups. Each group is in one part"
    ]  # fmt: skip
    assert sum(map(len, parts.values())) == 90
    originals = {decode_image(smooth(n), height=32, width=32).pixels_HWC.tobytes(): n for n in range(30, 60)}
    copies = {decode_image(smooth(n, quality=70), height=32, width=32).pixels_HWC.tobytes(): n for n in range(30, 60)}
    for part in parts.values():
        found = contents(part)
        assert {originals[one] for one in found & originals.keys()} == {copies[one] for one in found & copies.keys()}


def test_new_copy_of_an_image_joins_its_part(tmp_path: Path) -> None:
    for number in range(40):
        write(tmp_path / "datasets" / "c" / "ab"[number % 2] / f"{number}", smooth(number))
    before = parts_of(*load_folder("c", home=tmp_path))
    for number in range(40):
        write(tmp_path / "datasets" / "c" / "ab"[number % 2] / f"{number}.jpg", smooth(number, quality=70))
    after = parts_of(*load_folder("c", home=tmp_path))
    assert {name: 2 * len(before[name]) for name in PARTS} == {name: len(after[name]) for name in PARTS}


def test_parts_of_the_folder_are_honored(tmp_path: Path) -> None:
    for part, count in (("train", 40), ("val", 6), ("test", 10)):
        for number in range(count):
            for label in ("night", "grass"):
                write(
                    tmp_path / "datasets" / "c" / part / label / f"{number}", picture(label, len(part) * 100 + number)
                )
    dataset, split = load_folder("c", home=tmp_path)
    parts = parts_of(dataset, split)

    def given(part: str, count: int) -> set[bytes]:
        return {
            decode_image(
                picture(label, len(part) * 100 + number), height=32, width=32, geometry="crop"
            ).pixels_HWC.tobytes()
            for label in ("night", "grass")
            for number in range(count)
        }

    assert contents(parts["test"]) == given("test", 10)
    assert contents(parts["validation"]) == given("val", 6)
    # The folder has no holdout: a tenth of its training images replaces it.
    assert contents(parts["train"]) | contents(parts["holdout"]) == given("train", 40)
    assert 2 <= len(parts["holdout"]) <= 20
    assert set(parts["holdout"].labels_N.tolist()) == {0, 1}


def test_training_copies_of_test_images_are_left_out(tmp_path: Path) -> None:
    for number in range(30):
        write(tmp_path / "datasets" / "c" / "train" / "ab"[number % 2] / f"{number}", smooth(number))
    for number in range(6):
        write(tmp_path / "datasets" / "c" / "test" / "ab"[number % 2] / f"{number}", smooth(100 + number))
    write(tmp_path / "datasets" / "c" / "train" / "a" / "near.jpg", smooth(100, quality=70))
    write(tmp_path / "datasets" / "c" / "train" / "b" / "same", smooth(101))
    told: list[str] = []
    dataset, _ = load_folder("c", home=tmp_path, note=told.append)
    assert (len(dataset.training), len(dataset.test)) == (30, 6)
    assert told == [
        "folder:c: 37 images used, 1 files left out: train/b/same (the same image as test/b/1)",
        "folder:c: 1 near duplicates across parts left out: train/a/near.jpg (nearly the same image as test/a/0)",
    ]


def test_test_image_that_was_trained_on_stays_in_training(tmp_path: Path) -> None:
    for number in range(30):
        for label in ("night", "grass"):
            write(tmp_path / "datasets" / "c" / label / f"{number}", picture(label, number))
    before = parts_of(*load_folder("c", home=tmp_path))
    for label in ("night", "grass"):
        for number in range(30):
            part = "test" if number < 10 else "train"
            target = tmp_path / "datasets" / "c" / part / label / f"{number}"
            target.parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "datasets" / "c" / label / f"{number}").rename(target)
        (tmp_path / "datasets" / "c" / label).rmdir()
    told: list[str] = []
    after = parts_of(*load_folder("c", home=tmp_path, note=told.append))
    assert {name: contents(before[name]) for name in PARTS} == {name: contents(after[name]) for name in PARTS}
    assert "images stay in the part of an earlier training" in told[0]


def test_table_with_parts_is_loaded(tmp_path: Path) -> None:
    rows = ["path,label,part"]
    for number in range(20):
        for label in ("Großer Hund", "a, b"):
            name = f"all/{label} {number}.png"
            write(tmp_path / "datasets" / "c" / name, picture("grass", number + 100 * len(label)))
            rows.append(f'"{name}","{label}",{"test" if number < 5 else "train"}')
    (tmp_path / "datasets" / "c" / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    dataset, _ = load_folder("c", home=tmp_path)
    assert dataset.class_names == ("Großer Hund", "a, b")
    assert (len(dataset.training), np.bincount(dataset.test.labels_N).tolist()) == (30, [5, 5])
