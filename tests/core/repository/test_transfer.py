"""Push and pull of versions, to a folder and to a bucket of a real S3 server."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.errors import (
    ConfigurationError,
    CorruptVersionError,
    LowDiskError,
    PublishError,
    RemoteError,
    UnknownVersionError,
)
from core.repository import remote as remote_module
from core.repository import transfer as transfer_module
from core.repository.champions import promote
from core.repository.deletion import delete_version
from core.repository.manifest import FileRecord
from core.repository.publishing import reserve
from core.repository.remote import RemoteVersions
from core.repository.repository import ModelRepository
from core.repository.transfer import Transfer, pull, push
from tests.support.buckets import BUCKET, Bucket, bucket_server, use
from tests.support.versions import make_manifest, write_version

FILES = {
    "weights.safetensors": b"w" * (9 * 1024 * 1024),  # sent and received in parts
    "evaluation.json": b"{}",
    "figures/confusion.png": b"png",
    "history.jsonl": b"",
}
NAMES = sorted([*FILES, "model.onnx", "README.md"])


@pytest.fixture(scope="module")
def server() -> Iterator[Bucket]:
    with bucket_server() as started:
        yield started


@pytest.fixture
def bucket(server: Bucket, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """The bucket, emptied."""
    server.delete()
    server.create()
    use(server, monkeypatch)
    return server


@pytest.fixture(params=["folder", "bucket"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder, and then a bucket."""
    if request.param == "folder":
        return str(tmp_path / "shelf")
    bucket: Bucket = request.getfixturevalue("bucket")
    return bucket.url


@pytest.fixture
def source(tmp_path: Path) -> ModelRepository:
    """A repository with cnn@3."""
    repository = ModelRepository(tmp_path / "home" / "models", tmp_path / "none")
    write_version(repository.home_models / "cnn" / "3", "cnn", 3, extra_files=FILES)
    return repository


@pytest.fixture
def other(tmp_path: Path) -> ModelRepository:
    """An empty repository."""
    return ModelRepository(tmp_path / "other" / "models", tmp_path / "none")


def ignore(_: int) -> None:
    """Progress that is not shown."""


def pushed(source: ModelRepository, target: str) -> Transfer:
    return push(source, "cnn", 3, RemoteVersions(target, create=True), ignore)


def pulled(repository: ModelRepository, target: str) -> Transfer:
    return pull(repository, "cnn", 3, RemoteVersions(target), ignore)


def rewrite(target: str, name: str, content: bytes) -> None:
    """Replace an object, as another program would."""
    remote = RemoteVersions(target)
    remote._obstore.put(remote._store, f"cnn/3/{name}", content)


def test_version_survives_push_and_pull(source: ModelRepository, other: ModelRepository, target: str) -> None:
    sent: list[int] = []
    done = push(source, "cnn", 3, RemoteVersions(target, create=True), sent.append)
    assert (done.files, done.existed) == (len(NAMES), False)
    received: list[int] = []
    back = pull(other, "cnn", 3, RemoteVersions(target), received.append)
    assert (back.files, back.existed) == (len(NAMES), False)
    assert sum(sent) == sum(received) == sum(record.bytes for record in done.manifest.files.values())
    assert max(received) == remote_module.RANGE_BYTES  # the time limit of a request is for so much only
    assert other.verify("cnn", 3) == source.manifest("cnn", 3)
    for name in [*NAMES, "manifest.json"]:
        assert (other.folder("cnn", 3) / name).read_bytes() == (source.folder("cnn", 3) / name).read_bytes()
    assert other.champion("cnn") is None


def test_second_push_and_pull_do_nothing(source: ModelRepository, other: ModelRepository, target: str) -> None:
    pushed(source, target)
    assert pushed(source, target) == Transfer(source.manifest("cnn", 3), files=0, existed=True)
    pulled(other, target)
    assert pulled(other, target).existed


def test_pushed_folder_is_a_layer_of_models(source: ModelRepository, tmp_path: Path) -> None:
    pushed(source, str(tmp_path / "shelf"))
    assert ModelRepository(tmp_path / "none", tmp_path / "shelf").verify("cnn", 3).version == 3


def test_versions_are_listed_once_their_manifest_is_there(source: ModelRepository, target: str) -> None:
    write_version(source.home_models / "cnn" / "12", "cnn", 12)
    write_version(source.home_models / "my-pets" / "1", "my-pets", 1)
    remote = RemoteVersions(target, create=True)
    assert remote.versions() == []
    for family, number in (("my-pets", 1), ("cnn", 12), ("cnn", 3)):
        push(source, family, number, remote, ignore)
    remote.upload("cnn/4/model.onnx", source.folder("cnn", 3) / "model.onnx", FileRecord(sha256="0" * 64, bytes=11))
    assert remote.versions() == [("cnn", 3), ("cnn", 12), ("my-pets", 1)]


def test_damaged_version_is_not_sent(source: ModelRepository, target: str) -> None:
    (source.folder("cnn", 3) / "model.onnx").write_bytes(b"changed")
    with pytest.raises(CorruptVersionError, match=r"model\.onnx"):
        pushed(source, target)
    assert RemoteVersions(target, create=True).versions() == []


def test_unknown_version_is_not_sent(source: ModelRepository, target: str) -> None:
    with pytest.raises(UnknownVersionError, match="unknown version 9 of cnn"):
        push(source, "cnn", 9, RemoteVersions(target, create=True), ignore)


def test_another_version_of_the_number_is_kept(source: ModelRepository, other: ModelRepository, target: str) -> None:
    pushed(source, target)
    write_version(other.home_models / "cnn" / "3", "cnn", 3, extra_files={"evaluation.json": b"[]"})
    with pytest.raises(RemoteError, match=r"has another version cnn@3: nothing was pushed"):
        pushed(other, target)
    with pytest.raises(PublishError, match=r"another version cnn@3 exists here, and nothing was pulled"):
        pulled(other, target)
    assert RemoteVersions(target).read_manifest("cnn/3") == (source.folder("cnn", 3) / "manifest.json").read_bytes()


class Interrupted:
    """Does something before the given number of uploads, counted from 1."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, before: int, act: Callable[[], None]) -> None:
        self.paths: list[str] = []
        upload = RemoteVersions.upload

        def counting(remote: RemoteVersions, path: str, *rest: Any) -> None:
            if len(self.paths) + 1 == before:
                act()
            upload(remote, path, *rest)
            self.paths.append(path)

        monkeypatch.setattr(RemoteVersions, "upload", counting)


def test_bucket_that_vanishes_is_an_error_and_the_next_push_resumes(
    source: ModelRepository, other: ModelRepository, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        Interrupted(patched, 3, bucket.delete)
        with pytest.raises(RemoteError) as caught:
            pushed(source, bucket.url)
    message = str(caught.value)
    assert f"the push of cnn@3 stopped: {bucket.url}/cnn/3/{NAMES[2]}: the bucket does not exist" in message
    assert "run the command again to send the rest" in message
    assert "Debug source" not in message
    bucket.create()
    assert pushed(source, bucket.url).files == len(NAMES)
    assert pulled(other, bucket.url).files == len(NAMES)


def test_push_continues_after_files_that_are_there(
    source: ModelRepository, other: ModelRepository, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RemoteError("the connection was lost")

    with monkeypatch.context() as patched:
        Interrupted(patched, 4, fail)
        with pytest.raises(RemoteError, match=r"stopped: the connection was lost\. The version is not visible there"):
            pushed(source, target)
    assert RemoteVersions(target).versions() == []
    with pytest.raises(RemoteError, match="has no version cnn@3"):
        pulled(other, target)
    rewrite(target, NAMES[1], b"other content")
    assert pushed(source, target).files == len(NAMES) - 3 + 1
    assert pulled(other, target).files == len(NAMES)


def test_files_removed_during_the_push_leave_no_version(
    source: ModelRepository, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def empty() -> None:
        remote = RemoteVersions(target)
        remote._obstore.delete(remote._store, f"cnn/3/{NAMES[0]}")

    Interrupted(monkeypatch, 4, empty)
    with pytest.raises(RemoteError, match=rf"{NAMES[0]} was changed or removed by another process"):
        pushed(source, target)
    assert RemoteVersions(target).versions() == []


def test_manifest_stored_by_a_concurrent_push_is_compared(
    source: ModelRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = str(tmp_path / "shelf")

    def other_push() -> None:
        monkeypatch.undo()
        pushed(source, target)

    Interrupted(monkeypatch, len(NAMES), other_push)
    assert not pushed(source, target).existed
    assert RemoteVersions(target).versions() == [("cnn", 3)]


def test_changed_file_is_refused_and_nothing_stays(
    source: ModelRepository, other: ModelRepository, target: str
) -> None:
    pushed(source, target)
    for content in (b"not A graph", b"longer than the manifest says", b""):
        rewrite(target, "model.onnx", content)
        with pytest.raises(RemoteError, match=r"model\.onnx has other content than its manifest says"):
            pulled(other, target)
        assert other.numbers("cnn") == []
        assert not [path for path in other.home_models.rglob("*") if path.suffix == ".onnx"]


def test_missing_file_is_an_error(source: ModelRepository, other: ModelRepository, tmp_path: Path) -> None:
    pushed(source, str(tmp_path / "shelf"))
    (tmp_path / "shelf" / "cnn" / "3" / "README.md").unlink()
    with pytest.raises(RemoteError, match=r"shelf/cnn/3/README\.md: .*(not found|No such file)"):
        pulled(other, str(tmp_path / "shelf"))
    assert other.numbers("cnn") == []


@pytest.mark.parametrize(
    "name",
    [
        "../../../evil.json",
        "/etc/passwd",
        "figures/../../evil.png",
        "figures\\evil.png",
        "C:evil.json",
        "evil.sh",
        "model.onnx\n",
        "figures/a/b.png",
        "manifest.json",
    ],
)
def test_unknown_file_names_are_refused(other: ModelRepository, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "shelf" / "cnn" / "3"
    folder.mkdir(parents=True)
    manifest = make_manifest("cnn", 3, files={name: FileRecord(sha256="0" * 64, bytes=1)})
    (folder / "manifest.json").write_text(manifest.to_json())
    with pytest.raises(RemoteError, match="names a file that versions do not have"):
        pulled(other, str(tmp_path / "shelf"))
    assert not other.home_models.exists()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"{", "is not a manifest of this release"),
        (b"", "is not a manifest of this release"),
        (make_manifest("cnn", 4).to_json().encode(), "describes cnn@4"),
    ],
)
def test_wrong_manifests_are_refused(other: ModelRepository, tmp_path: Path, content: bytes, problem: str) -> None:
    folder = tmp_path / "shelf" / "cnn" / "3"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(RemoteError, match=problem):
        pulled(other, str(tmp_path / "shelf"))


def test_limits_of_a_pulled_version(
    source: ModelRepository, other: ModelRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = str(tmp_path / "shelf")
    pushed(source, target)
    with monkeypatch.context() as patched:
        patched.setattr(transfer_module, "MAX_VERSION_BYTES", 1000)
        with pytest.raises(RemoteError, match="the limits are 100 files and 1,000 bytes"):
            pulled(other, target)
    with monkeypatch.context() as patched:
        patched.setattr(remote_module, "MAX_MANIFEST_BYTES", 1000)
        with pytest.raises(RemoteError, match="has more than 1,000 bytes: it is no manifest"):
            pulled(other, target)
    with monkeypatch.context() as patched:
        patched.setattr(remote_module, "MAX_OBJECTS", 3)
        with pytest.raises(RemoteError, match="has more than 3 objects"):
            RemoteVersions(target).versions()
    with monkeypatch.context() as patched:
        usage = shutil.disk_usage(tmp_path)._replace(free=1000)
        patched.setattr(shutil, "disk_usage", lambda _: usage)
        with pytest.raises(LowDiskError, match="free some space"):
            pulled(other, target)
    assert other.numbers("cnn") == []


def test_number_of_a_deleted_version_is_not_used_again(
    source: ModelRepository, other: ModelRepository, tmp_path: Path
) -> None:
    target = str(tmp_path / "shelf")
    pushed(source, target)
    pulled(other, target)
    delete_version(other, "cnn", 3, actor="ada", reason="wrong labels")
    with pytest.raises(PublishError, match="cnn@3 existed here and was deleted or lost"):
        pulled(other, target)


def test_lost_champion_is_not_replaced(source: ModelRepository, other: ModelRepository, tmp_path: Path) -> None:
    target = str(tmp_path / "shelf")
    pushed(source, target)
    pulled(other, target)
    promote(other, "cnn", 3, actor="ada", reason="first")
    shutil.rmtree(other.folder("cnn", 3))
    with pytest.raises(PublishError, match="cnn@3 existed here and was deleted or lost"):
        pulled(other, target)


def test_number_that_is_being_published_is_not_taken(
    source: ModelRepository, other: ModelRepository, tmp_path: Path
) -> None:
    target = str(tmp_path / "shelf")
    pushed(source, target)
    with (
        reserve(other, "cnn", 3),
        pytest.raises(PublishError, match="cnn@3 exists already, or another process is publishing it"),
    ):
        pulled(other, target)
    assert pulled(other, target).files == len(NAMES)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nowhere", "is not a folder: name a folder of versions, or s3://BUCKET/PREFIX"),
        ("gs://bucket/x", "is neither a folder nor a bucket"),
        ("http://host/x", "is neither a folder nor a bucket"),
        ("s3://", "is neither a folder nor a bucket"),
        ("s3://key:secret@bucket/x", "is neither a folder nor a bucket"),
    ],
)
def test_other_targets_are_refused(text: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=problem):
        RemoteVersions(text)


def test_unreachable_and_missing_buckets_are_errors(
    source: ModelRepository, other: ModelRepository, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"s3://no-{BUCKET}/x"
    for use_remote in (lambda: pushed(source, url), lambda: pulled(other, url), RemoteVersions(url).versions):
        with pytest.raises(RemoteError, match="the bucket does not exist"):
            use_remote()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(remote_module, "_RETRIES", {"max_retries": 0})
    with pytest.raises(RemoteError, match=r"s3://duet-models/x/cnn/3/manifest\.json: "):
        pulled(other, f"s3://{BUCKET}/x")
