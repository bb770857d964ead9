"""Upgrade from 0.1.0: the folder home_0_1_0 is a home that release 0.1.0 wrote, with its broker's files.

It has the versions cnn@1 to cnn@3 with three promotions and a rollback, the data set pets, and five jobs.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.images.labelled_folders import read_folder
from core.jobs.parameters import TrainParameters
from core.repository.champions import history, promote, rollback
from core.repository.publishing import reserve
from core.repository.repository import ModelRepository
from service.home.backup import back_up
from service.home.check import check_home
from service.home.restore import restore
from service.jobs.store.store import JobStore
from service.security.key_source import KeySource
from tests.support.broker import Broker
from tests.support.jobs import names
from tests.support.versions import write_version

OLD_HOME = Path(__file__).parent / "home_0_1_0"
BY: Any = {"actor": "ada", "reason": "test"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A copy of the home."""
    shutil.copytree(OLD_HOME, tmp_path / "home")
    (tmp_path / "home" / "api_key").chmod(0o600)  # git does not store the mode
    return tmp_path / "home"


@pytest.fixture
def repository(home: Path) -> ModelRepository:
    return ModelRepository(home / "models", home / "none")


@pytest.fixture
def store() -> Iterator[JobStore]:
    """The jobs of the home, at a broker of this release; its path is short enough for a unix socket."""
    folder = Path(tempfile.mkdtemp(prefix="duet-b-", dir="/tmp"))
    shutil.copytree(OLD_HOME / "broker", folder, dirs_exist_ok=True)
    broker = Broker(folder)
    try:
        yield JobStore.open(f"unix://{broker.start().socket}")
    finally:
        broker.stop()
        shutil.rmtree(folder)


def test_home_of_0_1_0_has_no_findings(repository: ModelRepository, home: Path, tmp_path: Path) -> None:
    assert list(check_home(repository)) == []
    back_up(home, tmp_path / "backup.tar")
    restore(tmp_path / "backup.tar", tmp_path / "restored")
    assert list(check_home(ModelRepository(tmp_path / "restored" / "models", tmp_path / "none"))) == []


def test_versions_and_champions_of_0_1_0_go_on(repository: ModelRepository) -> None:
    manifest = repository.verify("cnn", 3)
    assert (manifest.schema_version, manifest.input.geometry, manifest.bf16, manifest.backbone) == (
        1, "stretch", None, None
    )  # fmt: skip
    assert [(entry.action, entry.from_version, entry.to_version) for entry in history(repository)] == [
        ("promote", None, 1),
        ("promote", 1, 2),
        ("rollback", 2, 1),
        ("promote", 1, 3),
    ]
    assert rollback(repository, "cnn", **BY).to_version == 1
    promote(repository, "cnn", 2, **BY)
    assert (repository.champion("cnn"), history(repository)[-1].entry) == (2, 6)
    with reserve(repository, "cnn") as staging:
        assert staging.version == 4
        staging.publish(write_version(staging.folder, "cnn", 4))
    assert repository.numbers("cnn") == [1, 2, 3, 4]


def test_data_sets_and_key_of_0_1_0_are_read(home: Path) -> None:
    folder = read_folder(home, "pets")
    assert (folder.images, len(folder.stored)) == (2, 2)
    found = KeySource(None, home).keyring.find("k" * 43)
    assert found is not None
    assert found.scopes[-1] == "admin"


def test_jobs_of_0_1_0_go_on(store: JobStore) -> None:
    queued, running, cancelled, failed, succeeded = store.list().records
    states = [job.state for job in (queued, running, cancelled, failed, succeeded)]
    assert states == ["queued", "running", "cancelled", "failed", "succeeded"]
    assert succeeded.result == {"version": "cnn@3", "promoted": True}
    assert failed.error is not None
    assert failed.error.message == "no file of CIFAR-10"
    assert names(store, succeeded.id) == ["submitted", "claimed", "progress", "epoch", "finished"]
    # The lease of the running job has expired since, as after a stop of all processes.
    expired = store.expire(running.id, "its worker was stopped")
    assert expired is not None
    for job in (queued, expired, store.retry(failed.id)):
        assert isinstance(job.typed_parameters(), TrainParameters)
        claim = store.claim(job.id, worker="worker-2", lease_seconds=60)
        assert claim is not None
        assert store.finish(job.id, claim.token, "succeeded", result={}).state == "succeeded"
