from __future__ import annotations

from pathlib import Path

import pytest

from service.datasets import usage as usage_module
from service.datasets.usage import DatasetUsage


def write(home: Path, name: str, size: int) -> Path:
    path = home / "datasets" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    return path


def test_files_of_all_data_sets_are_added_up(tmp_path: Path) -> None:
    usage = DatasetUsage(tmp_path)
    assert usage.measure() == (0, 0)
    write(tmp_path, "pets/cat/1.png", 10)
    write(tmp_path, "pets/train/dog/deep/2.png", 20)
    write(tmp_path, "birds/labels.csv", 5)
    write(tmp_path, "cifar10/data_batch_1", 1000)
    write(tmp_path, ".uploads/x/1.png", 1000)
    (tmp_path / "datasets" / "pets" / "link").symlink_to(tmp_path / "datasets" / "cifar10")
    assert usage.measure() == (2, 35)


def test_change_at_any_depth_is_noticed(tmp_path: Path) -> None:
    usage = DatasetUsage(tmp_path)
    deep = write(tmp_path, "pets/train/dog/deep/2.png", 20)
    assert usage.measure() == (1, 20)
    write(tmp_path, "pets/train/dog/deep/3.png", 1)
    assert usage.measure() == (1, 21)
    deep.unlink()
    assert usage.measure() == (1, 1)


def test_unchanged_data_set_is_not_counted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = DatasetUsage(tmp_path)
    image = write(tmp_path, "pets/cat/1.png", 10)
    assert usage.measure() == (1, 10)
    image.write_bytes(bytes(30))  # changes no folder
    assert usage.measure() == (1, 10)
    monkeypatch.setattr(usage_module, "RECOUNT_SECONDS", -1.0)
    assert usage.measure() == (1, 30)


def test_deleted_data_set_is_forgotten(tmp_path: Path) -> None:
    usage = DatasetUsage(tmp_path)
    image = write(tmp_path, "pets/cat/1.png", 10)
    write(tmp_path, "birds/a/1.png", 3)
    assert usage.measure() == (2, 13)
    image.unlink()
    image.parent.rmdir()
    image.parent.parent.rmdir()
    assert usage.measure() == (1, 3)
