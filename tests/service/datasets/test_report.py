"""Report on a data set: warnings, duplicates, unreadable files, samples and limits."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.errors import LowMemoryError
from core.images.labelled_folders import read_folder
from core.schemas.dataset_reports import DatasetReport
from service.datasets.report import FEW_IMAGES, SIDE, make_report
from service.datasets.report_process import REPORT_NAME, stored_progress, stored_report, write_report
from tests.support.labelled_folders import write_labelled_folder


def report(home: Path, *, max_pixels: int = 100_000, max_bytes: int = 100_000) -> DatasetReport:
    read: list[int] = []
    folder = read_folder(home, "pets")
    made = make_report(folder, max_pixels=max_pixels, max_bytes=max_bytes, progress=read.append)
    assert read == list(range(1, folder.images + 1))
    assert made.digest == folder.digest
    return made


def photograph(seed: int, *, side: int = 96, quality: int = 95) -> bytes:
    """A smooth random image as JPEG, at another size or quality with the same seed."""
    small_HWC = np.random.default_rng(seed).integers(0, 255, (6, 6, 3)).astype(np.uint8)
    stream = io.BytesIO()
    image = Image.fromarray(small_HWC).resize((96, 96), Image.Resampling.BICUBIC).resize((side, side))
    image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def write(home: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = home / "datasets" / "pets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def good(count: int = FEW_IMAGES) -> dict[str, bytes]:
    """Different images of two classes, of which no warning is due."""
    return {
        f"{label}/{number}.jpg": photograph(1000 * index + number)
        for index, label in enumerate(("cat", "dog"))
        for number in range(count)
    }


def kinds(made: DatasetReport) -> set[str]:
    return {warning.kind for warning in made.warnings}


def test_good_data_set_has_no_warning(tmp_path: Path) -> None:
    write(tmp_path, good())
    made = report(tmp_path)
    assert (made.images, made.unreadable, made.duplicate_groups, made.warnings) == (2 * FEW_IMAGES, 0, 0, ())
    assert made.sides is not None
    assert (made.sides.smallest, made.sides.median, made.sides.largest) == (96, 96, 96)
    assert [one.label for one in made.classes] == ["cat", "dog"]
    for one in made.classes:
        assert (one.images, len(set(one.samples))) == (FEW_IMAGES, 6)


def test_statistics_of_a_class_are_medians(tmp_path: Path) -> None:
    write_labelled_folder(tmp_path, "pets", {"snow": 5, "night": 5})
    night, snow = report(tmp_path).classes
    assert night.brightness == pytest.approx((20 + 20 + 90) / 3 / 255, abs=0.03)
    assert snow.brightness == pytest.approx((240 + 240 + 245) / 3 / 255, abs=0.03)
    assert night.contrast is not None
    assert night.contrast == pytest.approx(np.std([20, 20, 90]) / 255, abs=0.03)


def test_sizes_of_classes_are_warned_about(tmp_path: Path) -> None:
    write(tmp_path, good() | {f"bird/{number}.jpg": photograph(5000 + number) for number in range(6)})
    made = report(tmp_path)
    assert kinds(made) == {"few_images", "unequal_classes"}
    assert "bird has 6" in next(one.text for one in made.warnings if one.kind == "unequal_classes")
    write(tmp_path, {"fish/1.jpg": photograph(9000)})
    assert "class 'fish' has 1 image" in next(one.text for one in report(tmp_path).warnings if one.kind == "too_few")


def test_duplicates_are_told_apart(tmp_path: Path) -> None:
    files = good()
    copies = {
        "cat/exact.jpg": files["cat/0.jpg"],
        "cat/near.jpg": photograph(1, side=64, quality=80),
        "dog/contradiction.jpg": files["cat/2.jpg"],
        "dog/near.jpg": photograph(3, side=64, quality=80),
    }
    write(tmp_path, files | copies)
    made = report(tmp_path)
    found = [(group.exact, group.labels_differ, [one.file for one in group.files]) for group in made.duplicates]
    assert found == [
        (True, True, ["cat/2.jpg", "dog/contradiction.jpg"]),
        (False, True, ["cat/3.jpg", "dog/near.jpg"]),
        (True, False, ["cat/0.jpg", "cat/exact.jpg"]),
        (False, False, ["cat/1.jpg", "cat/near.jpg"]),
    ]
    assert kinds(made) == {
        "contradictory_labels",
        "exact_copies",
        "near_duplicates",
        "near_duplicates_across_classes",
    }


def test_unusable_files_are_named_with_their_reason(tmp_path: Path) -> None:
    write(
        tmp_path,
        good()
        | {
            "cat/notes.txt": b"no image",
            "cat/cut.jpg": photograph(50)[:400],
            "dog/large.jpg": photograph(51) + bytes(100_000),
            "dog/pixels.jpg": photograph(52, side=400),
            "dog/small.png": _tiny(),
        },
    )
    made = report(tmp_path)
    reasons = {one.file: one.reason for one in made.unreadable_files}
    assert (made.unreadable, set(reasons)) == (4, {"cat/notes.txt", "cat/cut.jpg", "dog/large.jpg", "dog/pixels.jpg"})
    assert "100,000 bytes" in reasons["dog/large.jpg"]
    assert "pixels" in reasons["dog/pixels.jpg"]
    assert {"unreadable", "small_images"} <= kinds(made)
    assert made.sides is not None
    assert made.sides.smallest == SIDE - 1


def _tiny() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (SIDE - 1, 60), (1, 2, 3)).save(stream, "PNG")
    return stream.getvalue()


def test_data_set_without_readable_images_has_a_report(tmp_path: Path) -> None:
    write(tmp_path, {"cat/1": b"x", "dog/1": b"y"})
    made = report(tmp_path)
    assert (made.images, made.unreadable, made.sides, made.duplicates) == (0, 2, None, ())
    assert made.classes[0].brightness is None


def test_report_that_does_not_fit_into_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, good(1))
    monkeypatch.setattr("core.memory.available_memory", lambda: 1_000_000)
    with pytest.raises(LowMemoryError, match="a report on 2 images"):
        report(tmp_path)


def test_report_is_stored_for_one_version(tmp_path: Path) -> None:
    write(tmp_path, good(2))
    write_report(tmp_path, "pets", max_pixels=100_000, max_bytes=100_000)
    folder = read_folder(tmp_path, "pets")
    stored = stored_report(folder.path, folder.digest)
    assert stored is not None
    assert stored_report(folder.path, "0" * 64) is None
    assert (folder.skipped, stored_progress(folder.path, folder.digest)) == ((), 0)
    (folder.path / REPORT_NAME).write_bytes(b"{")
    assert stored_report(folder.path, folder.digest) is None
