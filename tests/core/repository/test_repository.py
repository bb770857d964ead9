from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.errors import CorruptVersionError, RepositoryError, UnknownFamilyError, UnknownVersionError
from core.repository.manifest import MANIFEST_NAME, file_record
from core.repository.repository import ModelRepository
from tests.support.versions import make_manifest, write_aliases, write_version


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    """cnn@1 and cnn@10 are shipped, cnn@2 and own@7 are in the home layer; the shipped champion is cnn@1."""
    repository = ModelRepository(tmp_path / "home" / "models", tmp_path / "shipped")
    for layer, family, version in (
        (repository.shipped, "cnn", 1),
        (repository.shipped, "cnn", 10),
        (repository.home_models, "cnn", 2),
        (repository.home_models, "own", 7),
    ):
        write_version(layer / family / str(version), family, version)
    write_aliases(repository.shipped, cnn=1)
    return repository


def test_families_and_versions_are_those_of_both_layers(repository: ModelRepository) -> None:
    assert repository.families() == ["cnn", "own"]
    assert repository.versions("cnn") == [1, 2, 10]
    assert repository.versions("own") == [7]


def test_empty_repository_has_no_families(tmp_path: Path) -> None:
    repository = ModelRepository(tmp_path / "absent", tmp_path / "absent too")
    assert repository.families() == []
    assert repository.champions() == {}
    with pytest.raises(UnknownFamilyError, match="publish one with `duet train`"):
        repository.versions("cnn")


def test_unnumbered_folders_are_ignored(repository: ModelRepository) -> None:
    family = repository.home_models / "cnn"
    for name in ("0", "03", "-4", "5.tmp", "latest", ".staging/6", "٧"):
        (family / name).mkdir(parents=True)
    (family / "8").write_text("a file")
    (repository.home_models / "empty").mkdir()
    (repository.home_models / "Not a family" / "1").mkdir(parents=True)
    assert repository.versions("cnn") == [1, 2, 10]
    assert repository.families() == ["cnn", "own"]


def test_changes_by_other_processes_are_seen(repository: ModelRepository) -> None:
    assert repository.versions("cnn") == [1, 2, 10]
    assert repository.champion("cnn") == 1
    write_version(repository.home_models / "cnn" / "11", "cnn", 11)
    write_aliases(repository.home_models, cnn=11)
    assert repository.versions("cnn") == [1, 2, 10, 11]
    assert repository.champion("cnn") == 11


@pytest.mark.parametrize("family", ["dog", "", "../home/models/cnn", "/", "CNN"])
def test_unknown_family_lists_the_existing_ones(repository: ModelRepository, family: str) -> None:
    with pytest.raises(UnknownFamilyError, match="available models are cnn, own"):
        repository.versions(family)


def test_version_folder_is_found_in_its_layer(repository: ModelRepository) -> None:
    assert repository.folder("cnn", 10) == repository.shipped / "cnn" / "10"
    assert repository.folder("cnn", 2) == repository.home_models / "cnn" / "2"
    assert (repository.layer("cnn", 10), repository.layer("cnn", 2)) == ("shipped", "home")
    with pytest.raises(UnknownVersionError, match=r"unknown version 3 of cnn: available versions are 1, 2, 10"):
        repository.folder("cnn", 3)


def test_number_in_both_layers_with_other_content_is_refused(repository: ModelRepository) -> None:
    write_version(repository.home_models / "cnn" / "1", "cnn", 1)
    assert repository.folder("cnn", 1) == repository.shipped / "cnn" / "1"

    write_version(repository.home_models / "cnn" / "1", "cnn", 1, seed=8)
    with pytest.raises(CorruptVersionError, match="cnn@1: two different versions have this number"):
        repository.verify("cnn", 1)
    assert repository.verify("cnn", 2).version == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Invalid JSON"),
        (b"\xff\xfe\x00", "Invalid JSON"),
        (b"{}", r"family: Field required; version: Field required; .*and \d+ more"),
        (make_manifest("cnn", 9).to_json().encode(), "it describes cnn@9"),
        (make_manifest("own", 2).to_json().encode(), "it describes own@2"),
        (None, "No such file"),
    ],
)
def test_bad_manifest_is_named_with_reason(repository: ModelRepository, content: bytes | None, reason: str) -> None:
    path = repository.home_models / "cnn" / "2" / MANIFEST_NAME
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CorruptVersionError, match=rf"^cnn@2: manifest.json: .*{reason}"):
        repository.manifest("cnn", 2)
    assert repository.manifest("cnn", 1).version == 1


def test_bad_files_are_named_with_reasons(repository: ModelRepository) -> None:
    folder = repository.home_models / "cnn" / "2"
    files = {"changed": b"abc", "longer": b"abc", "missing": b"abc", "folder": b"abc", "pipe": b"", "fine": b"abc"}
    write_version(folder, "cnn", 2, extra_files=files)
    (folder / "changed").write_bytes(b"abd")
    (folder / "longer").write_bytes(b"abcd")
    for name in ("missing", "folder", "pipe"):
        (folder / name).unlink()
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    with pytest.raises(CorruptVersionError) as caught:
        repository.verify("cnn", 2)
    reference, _, problems = str(caught.value).partition(": ")
    assert reference == "cnn@2"
    changed, is_folder, longer, missing, pipe = problems.split("; ")
    assert changed.startswith("changed: sha256 is ")
    assert is_folder == "folder: not a regular file"
    assert longer == "longer: 4 bytes instead of 3"
    assert missing == "missing: missing"
    assert pipe == "pipe: not a regular file"


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../1/model.onnx",
        "a/../b",
        "./model.onnx",
        "a//b",
        "a/",
        "/a",
        "C:x",
        "a\\b",
        "a\nb",
        MANIFEST_NAME,
    ],
)
def test_file_name_with_a_path_is_refused(repository: ModelRepository, name: str) -> None:
    folder = repository.home_models / "cnn" / "2"
    record = file_record(folder / "model.onnx")
    (folder / MANIFEST_NAME).write_text(make_manifest("cnn", 2, files={name: record}).to_json())
    with pytest.raises(CorruptVersionError, match="not a plain relative file name"):
        repository.verify("cnn", 2)


def test_link_out_of_the_version_is_refused(repository: ModelRepository) -> None:
    folder = repository.home_models / "cnn" / "2"
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").symlink_to(repository.shipped / "cnn" / "1" / "model.onnx")
    with pytest.raises(CorruptVersionError, match=r"model\.onnx: is outside of the version's folder"):
        repository.verify("cnn", 2)


def test_link_loop_is_refused(repository: ModelRepository) -> None:
    path = repository.home_models / "cnn" / "2" / "model.onnx"
    path.unlink()
    path.symlink_to("model.onnx")
    with pytest.raises(CorruptVersionError, match=r"cnn@2: model\.onnx: cannot be read"):
        repository.verify("cnn", 2)


def test_home_champions_override_shipped_ones(repository: ModelRepository) -> None:
    write_aliases(repository.shipped, cnn=1, mlp=1)
    assert repository.champions() == {"cnn": 1, "mlp": 1}
    write_aliases(repository.home_models, cnn=2)
    assert repository.champions() == {"cnn": 2, "mlp": 1}
    assert repository.champion("cnn") == 2
    assert repository.champion("mlp") == 1
    assert repository.champion("own") is None


@pytest.mark.parametrize("content", [b"", b"[]", b'{"champions": {"cnn": 0}}', b'{"champion": {"cnn": 1}}'])
def test_damaged_alias_file_is_an_error(repository: ModelRepository, content: bytes) -> None:
    (repository.home_models / "aliases.json").write_bytes(content)
    with pytest.raises(RepositoryError, match=r"aliases\.json is not an alias file"):
        repository.champion("cnn")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("cnn", ("cnn", 1)), ("cnn@champion", ("cnn", 1)), ("cnn@10", ("cnn", 10)), (" own@7 ", ("own", 7))],
)
def test_references_resolve(repository: ModelRepository, text: str, expected: tuple[str, int]) -> None:
    assert repository.resolve(text) == expected


@pytest.mark.parametrize("text", ["cnn@3", "cnn@", "cnn@01", "cnn@-1", "cnn@latest", "cnn@1@2", "cnn@1.0"])
def test_unknown_version_in_a_reference_lists_the_existing_ones(repository: ModelRepository, text: str) -> None:
    with pytest.raises(UnknownVersionError, match="available versions are 1, 2, 10"):
        repository.resolve(text)


def test_family_without_champion_needs_a_number(repository: ModelRepository) -> None:
    with pytest.raises(UnknownVersionError, match="own has no champion: available versions are 7"):
        repository.resolve("own")


def test_missing_champion_version_is_an_error(repository: ModelRepository) -> None:
    write_aliases(repository.home_models, cnn=4)
    with pytest.raises(UnknownVersionError, match="the champion of cnn is version 4, which does not exist"):
        repository.resolve("cnn")


def test_open_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUET_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("DUET_SHIPPED_MODELS", str(tmp_path / "given"))
    assert ModelRepository.open() == ModelRepository(tmp_path / "state" / "models", tmp_path / "given")
    assert ModelRepository.open(tmp_path / "other").home_models == tmp_path / "other" / "models"
    assert list(tmp_path.iterdir()) == []
