from __future__ import annotations

import errno
import os
import stat
from itertools import count
from pathlib import Path

import pytest

from core.errors import CorruptVersionError, PublishError
from core.files import durable
from core.repository import integrity, publishing
from core.repository.champions import promote
from core.repository.manifest import read_manifest
from core.repository.publishing import Staging, reserve
from core.repository.repository import ModelRepository
from tests.support.processes import killed_at, run_together
from tests.support.versions import make_manifest, write_aliases, write_files, write_version

FILES = {"model.onnx": b"a graph", "figures/confusion.png": b"a picture"}


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    return ModelRepository(tmp_path / "home" / "models", tmp_path / "shipped")


def publish_files(staging: Staging) -> Path:
    files = write_files(staging.folder, FILES)
    return staging.publish(make_manifest(staging.family, staging.version, files=files))


def publish_one(repository: ModelRepository, family: str = "cnn") -> None:
    with reserve(repository, family) as staging:
        publish_files(staging)


def publish_several(repository: ModelRepository, how_many: int) -> None:
    for _ in range(how_many):
        publish_one(repository)


def stagings(repository: ModelRepository, family: str = "cnn") -> list[str]:
    return [path.name for path in (repository.home_models / family / ".staging").iterdir() if path.is_dir()]


def test_published_version_is_complete_and_read_only(repository: ModelRepository) -> None:
    with reserve(repository, "cnn") as staging:
        assert (staging.family, staging.version, staging.reference) == ("cnn", 1, "cnn@1")
        place = publish_files(staging)

    assert place == repository.folder("cnn", 1) == repository.home_models / "cnn" / "1"
    assert repository.verify("cnn", 1) == read_manifest(place)
    assert (place / "figures" / "confusion.png").read_bytes() == b"a picture"
    files = [path for path in place.rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o444}
    assert len(files) == 3
    assert stagings(repository) == []


def test_publish_creates_a_private_home(repository: ModelRepository) -> None:
    publish_one(repository)
    assert stat.S_IMODE(repository.home_models.parent.stat().st_mode) == 0o700


def test_number_follows_both_layers_and_staging(repository: ModelRepository) -> None:
    write_version(repository.shipped / "cnn" / "4", "cnn", 4)
    write_version(repository.home_models / "cnn" / "2", "cnn", 2)
    with reserve(repository, "cnn") as first, reserve(repository, "cnn") as second, reserve(repository, "mlp") as other:
        assert (first.version, second.version, other.version) == (5, 6, 1)
        publish_files(second)
    assert repository.versions("cnn") == [2, 4, 6]


@pytest.mark.parametrize("layer", ["home_models", "shipped"])
def test_number_of_a_former_champion_is_not_reused(repository: ModelRepository, layer: str) -> None:
    write_aliases(getattr(repository, layer), cnn=3)
    with reserve(repository, "cnn") as staging:
        assert staging.version == 4


def test_number_in_the_trail_is_not_reused(repository: ModelRepository) -> None:
    for version in (1, 2):
        write_version(repository.home_models / "cnn" / str(version), "cnn", version)
    for version in (2, 1):
        promote(repository, "cnn", version, actor="a", reason="r")
    (repository.home_models / "cnn" / "2").rename(repository.home_models / "deleted")
    with reserve(repository, "cnn") as staging:
        assert staging.version == 3


def test_number_published_meanwhile_is_skipped(repository: ModelRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_several(repository, 2)
    monkeypatch.setattr(publishing, "_next_version", lambda *_: 1)
    with reserve(repository, "cnn") as staging:
        assert staging.version == 3
        assert stagings(repository) == ["3"]


def test_leaving_without_publishing_releases_the_number(repository: ModelRepository) -> None:
    with reserve(repository, "cnn") as staging:
        write_files(staging.folder, FILES)
    assert stagings(repository) == []
    with pytest.raises(ZeroDivisionError), reserve(repository, "cnn"):
        raise ZeroDivisionError
    assert stagings(repository) == []
    assert repository.families() == []
    with reserve(repository, "cnn") as staging:
        assert staging.version == 1


@pytest.mark.parametrize("family", ["", "CNN", "../cnn", "cnn/1", ".staging", "c" * 33])
def test_invalid_family_name_is_refused(repository: ModelRepository, family: str) -> None:
    with pytest.raises(PublishError, match="is not a valid family name"), reserve(repository, family):
        pass
    assert not repository.home_models.exists()


def test_manifest_of_another_version_is_refused(repository: ModelRepository) -> None:
    with reserve(repository, "cnn") as staging:
        files = write_files(staging.folder, FILES)
        with pytest.raises(CorruptVersionError, match=r"cnn@1: .*describes cnn@7"):
            staging.publish(make_manifest("cnn", 7, files=files))
    assert repository.families() == []


def test_files_that_differ_from_the_manifest_are_refused(repository: ModelRepository) -> None:
    with reserve(repository, "cnn") as staging:
        files = write_files(staging.folder, FILES)
        (staging.folder / "model.onnx").write_bytes(b"b graph")
        (staging.folder / "figures" / "notes.txt").write_bytes(b"left over")
        with pytest.raises(CorruptVersionError) as caught:
            staging.publish(make_manifest("cnn", 1, files=files))
    assert "model.onnx: sha256 is" in str(caught.value)
    assert "figures/notes.txt: not named in the manifest" in str(caught.value)
    assert repository.families() == []


def test_everything_is_on_disk_before_the_version_appears(
    repository: ModelRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = repository.home_models / "cnn" / "1"
    synced: dict[bool, set[int]] = {False: set(), True: set()}
    fsync = os.fsync

    def recording_fsync(descriptor: int) -> None:
        synced[place.exists()].add(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", recording_fsync)
    publish_one(repository)

    contents = {path.stat().st_ino for path in [place, *place.rglob("*")]}
    assert len(contents) == 5
    assert contents <= synced[False]
    assert {place.parent.stat().st_ino, repository.home_models.stat().st_ino} <= synced[True]


def test_publish_on_a_full_disk_leaves_nothing(repository: ModelRepository) -> None:
    with (
        pytest.raises(PublishError, match=r"cnn@1 was not published .*No space left on device; free some space"),
        reserve(repository, "cnn"),
    ):
        Path("/dev/full").write_bytes(b"x")
    assert stagings(repository) == []
    assert repository.families() == []


def test_other_failures_of_the_caller_pass_through(repository: ModelRepository) -> None:
    with pytest.raises(FileNotFoundError), reserve(repository, "cnn") as staging:
        (staging.folder / "absent").read_bytes()


def test_failing_fsync_publishes_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync
    published = []
    for failing in range(1, 10):
        repository = ModelRepository(tmp_path / str(failing) / "models", tmp_path / "shipped")
        calls = count(1)

        def refusing_fsync(descriptor: int, calls: count[int] = calls, failing: int = failing) -> None:
            if next(calls) == failing:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", refusing_fsync)
        with pytest.raises(PublishError) as caught:
            publish_one(repository)
        assert "No space left on device" in str(caught.value)
        assert stagings(repository) == []
        published.append(repository.numbers("cnn") == [1])
        if published[-1]:
            repository.verify("cnn", 1)
            assert "cnn@1 is published, but may be lost" in str(caught.value)
        else:
            assert "nothing of it is kept" in str(caught.value)
    # Syncs before the rename: three files (the manifest twice) and two folders; after it: three folders.
    assert published == [False] * 6 + [True] * 3


def test_unwritable_home_is_a_publish_error(tmp_path: Path) -> None:
    repository = ModelRepository(tmp_path / "home" / "models", tmp_path / "shipped")
    repository.home_models.mkdir(parents=True)
    (repository.home_models / "cnn").write_text("a file where the family belongs")
    with pytest.raises(PublishError, match="no version of cnn can be published"), reserve(repository, "cnn"):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.full)], ids=["some lines", "every line"])
def test_publish_killed_at_any_line_is_all_or_nothing(tmp_path: Path, stride: int) -> None:
    outcomes = []
    for step in count(1, stride):
        repository = ModelRepository(tmp_path / str(step) / "models", tmp_path / "shipped")
        write_version(repository.shipped / "cnn" / "1", "cnn", 1)
        killed = killed_at(step, [publishing, durable], publish_one, repository)
        if not killed:
            break
        published = repository.versions("cnn") == [1, 2]
        outcomes.append(published)
        if published:
            assert set(repository.verify("cnn", 2).files) == set(FILES)
        else:
            assert repository.versions("cnn") == [1]

        publish_one(repository)
        assert repository.versions("cnn") == ([1, 2, 3] if published else [1, 2])
        assert stagings(repository) == []
    assert outcomes == sorted(outcomes)
    assert outcomes.count(False) > 50 // stride
    assert outcomes.count(True) > 5 // stride


def test_abandoned_staging_is_removed_and_number_reused(repository: ModelRepository) -> None:
    # `integrity` runs first when the files have been written and are about to be checked.
    assert killed_at(1, [integrity], publish_one, repository)
    assert (repository.home_models / "cnn" / ".staging" / "1" / "model.onnx").exists()
    with reserve(repository, "cnn") as staging:
        assert staging.version == 1
        assert list(staging.folder.iterdir()) == []


@pytest.mark.slow
def test_concurrent_publishers_get_distinct_numbers(repository: ModelRepository) -> None:
    write_version(repository.shipped / "cnn" / "1", "cnn", 1)
    run_together(publish_several, [(repository, 5)] * 5)
    assert repository.versions("cnn") == list(range(1, 27))
    for version in repository.versions("cnn"):
        repository.verify("cnn", version)
    assert stagings(repository) == []
