from __future__ import annotations

import hashlib
import os
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest

from core.errors import DataError
from core.images.cifar_files import CIFAR10_FILES, FOLDER_NAME
from tests.support.cifar_files import CLASS_NAMES, real_cifar10, write_cifar_files, write_pickle
from tests.support.cifar_server import PublishedCifar
from training.data.cifar10 import load_cifar10

NAMES = [name for name, _ in CIFAR10_FILES]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DUET_DATA_DIR", raising=False)
    monkeypatch.setenv("DUET_HOME", str(tmp_path / "home"))


def test_load_cifar10_returns_the_stored_content(tmp_path: Path) -> None:
    files = write_cifar_files(tmp_path, per_class_train=5, per_class_test=3)
    dataset = load_cifar10(tmp_path, files=files)
    assert dataset.class_names == CLASS_NAMES
    assert dataset.training.images_NHWC.shape == (50, 32, 32, 3)
    assert dataset.test.images_NHWC.shape == (30, 32, 32, 3)
    assert dataset.training.images_NHWC.flags.c_contiguous

    batch = pickle.loads((tmp_path / "data_batch_2").read_bytes())
    # One row is 1,024 red values, then green, then blue, each row-major.
    red_row_3 = batch["data"][4][32 * 3 : 32 * 4]
    blue_row_0 = batch["data"][4][2048 : 2048 + 32]
    image_HWC = dataset.training.images_NHWC[10 + 4]
    assert image_HWC[3, :, 0].tolist() == red_row_3.tolist()
    assert image_HWC[0, :, 2].tolist() == blue_row_0.tolist()
    assert dataset.training.labels_N[10:20].tolist() == batch["labels"]


@pytest.mark.parametrize("name", ["", FOLDER_NAME, "cifar copy"])
def test_data_dir_may_be_the_folder_or_its_parent(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    files = write_cifar_files(tmp_path / name)
    given = tmp_path if name == FOLDER_NAME else tmp_path / name
    digest = load_cifar10(given, files=files).digest
    assert digest == load_cifar10(tmp_path / name, files=files).digest
    monkeypatch.chdir(tmp_path / name)
    assert digest == load_cifar10(Path(), files=files).digest


def test_data_dir_argument_overrides_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = write_cifar_files(tmp_path / "first", seed=1)
    second = write_cifar_files(tmp_path / "second", seed=2)
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path / "first"))
    from_environment = load_cifar10(files=first)
    from_argument = load_cifar10(tmp_path / "second", files=second)
    assert from_environment.digest != from_argument.digest


@pytest.mark.parametrize("name", NAMES)
def test_missing_file_is_named(tmp_path: Path, name: str) -> None:
    files = write_cifar_files(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(DataError) as caught:
        load_cifar10(tmp_path, files=files)
    message = str(caught.value)
    assert f"{name} is missing" in message
    assert str(tmp_path) in message
    assert "--data-dir" in message
    assert "DUET_DATA_DIR" in message
    assert not [other for other in NAMES if f"{other} is" in message and other != name]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("offset", [0, -1])
def test_one_changed_byte_is_noticed(tmp_path: Path, name: str, offset: int) -> None:
    files = write_cifar_files(tmp_path)
    content = bytearray((tmp_path / name).read_bytes())
    content[offset] ^= 1
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name} is damaged .its md5 is {hashlib.md5(content).hexdigest()}"):
        load_cifar10(tmp_path, files=files)


def test_data_set_never_downloaded_is_one_sentence(tmp_path: Path) -> None:
    for data_dir in (None, tmp_path / "nothing here"):
        with pytest.raises(DataError, match="none of its files: add --download") as caught:
            load_cifar10(data_dir, download=data_dir is not None)
        assert "again" not in str(caught.value)
        assert "data_batch_1" not in str(caught.value)
        assert str(data_dir or tmp_path / "home") in str(caught.value)


class _Malicious:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("name", NAMES)
def test_malicious_pickle_is_never_executed(tmp_path: Path, name: str) -> None:
    files = write_cifar_files(tmp_path)
    proof = tmp_path / "executed"
    write_pickle(tmp_path / name, _Malicious(proof))
    with pytest.raises(DataError, match=f"{name} is damaged"):
        load_cifar10(tmp_path, files=files)
    assert not proof.exists()
    # The file is harmful if it is unpickled.
    pickle.loads((tmp_path / name).read_bytes())
    assert proof.is_dir()


def test_all_files_are_checked_before_unpickling(tmp_path: Path) -> None:
    files = dict(write_cifar_files(tmp_path))
    proof = tmp_path / "executed"
    files["data_batch_1"] = write_pickle(tmp_path / "data_batch_1", _Malicious(proof))
    (tmp_path / "batches.meta").unlink()
    with pytest.raises(DataError, match=r"batches\.meta is missing"):
        load_cifar10(tmp_path, files=list(files.items()))
    assert not proof.exists()


class _Warns:
    def __reduce__(self) -> tuple[object, tuple[str, type[Warning]]]:
        return warnings.warn, ("an old spelling of a dtype", np.exceptions.VisibleDeprecationWarning)


def test_old_pickles_cause_no_warnings(tmp_path: Path) -> None:
    files = dict(write_cifar_files(tmp_path))
    batch = pickle.loads((tmp_path / "test_batch").read_bytes())
    files["test_batch"] = write_pickle(tmp_path / "test_batch", {**batch, "batch_label": _Warns()})
    with pytest.warns(np.exceptions.VisibleDeprecationWarning):
        pickle.loads((tmp_path / "test_batch").read_bytes())
    # pytest turns warnings into errors.
    assert len(load_cifar10(tmp_path, files=list(files.items())).test) == 50


def test_download_fills_the_home_folder_once(
    tmp_path: Path, published: PublishedCifar, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = load_cifar10(download=True, files=published.files, archive=published.archive)
    assert dataset.digest == published.digest
    assert f"downloading {published.archive.url}" in capsys.readouterr().err
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700

    published.path.unlink()
    again = load_cifar10(download=True, files=published.files, archive=published.archive)
    assert again.digest == published.digest
    assert capsys.readouterr().err == ""


def test_download_replaces_a_damaged_file_in_home(tmp_path: Path, published: PublishedCifar) -> None:
    load_cifar10(download=True, files=published.files, archive=published.archive)
    damaged = tmp_path / "home" / "datasets" / "cifar10" / FOLDER_NAME / "test_batch"
    damaged.write_bytes(b"half a file")
    with pytest.raises(DataError, match="test_batch is damaged"):
        load_cifar10(files=published.files)
    again = load_cifar10(download=True, files=published.files, archive=published.archive)
    assert again.digest == published.digest


def test_download_never_writes_to_a_given_folder(
    tmp_path: Path, published: PublishedCifar, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    with pytest.raises(DataError, match="none of its files"):
        load_cifar10(mine, download=True, files=published.files, archive=published.archive)
    (mine / "test_batch").write_bytes(b"half a file")
    monkeypatch.setenv("DUET_DATA_DIR", str(mine))
    with pytest.raises(DataError, match="test_batch is damaged"):
        load_cifar10(download=True, files=published.files, archive=published.archive)
    assert [path.name for path in mine.iterdir()] == ["test_batch"]


def test_download_is_found_if_the_users_folder_has_none(
    tmp_path: Path, published: PublishedCifar, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("DUET_DATA_DIR", str(tmp_path / "empty"))
    dataset = load_cifar10(download=True, files=published.files, archive=published.archive)
    assert dataset.digest == load_cifar10(files=published.files).digest == published.digest
    assert not list((tmp_path / "empty").iterdir())


@pytest.mark.cifar10
def test_real_cifar10_matches_its_description() -> None:
    dataset = real_cifar10()
    assert dataset.class_names == CLASS_NAMES
    assert dataset.training.images_NHWC.shape == (50_000, 32, 32, 3)
    assert np.bincount(dataset.training.labels_N).tolist() == [5_000] * 10
    assert np.bincount(dataset.test.labels_N).tolist() == [1_000] * 10
