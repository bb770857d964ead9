"""Backups of a home that a service, uploads, publications, promotions, deletions and jobs change meanwhile."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.images.labelled_folders import dataset_names, read_folder
from core.repository.champions import promote
from core.repository.deletion import delete_version
from core.repository.publishing import reserve
from core.repository.repository import ModelRepository
from service.broker.address import embedded_url
from service.broker.embedded import EmbeddedBroker
from service.home.backup import back_up
from service.home.check import check_home
from service.home.restore import restore
from service.jobs.store.store import JobStore
from service.traffic.reader import TrafficReader
from tests.support.callers import calling
from tests.support.children import wait_until
from tests.support.duet_command import duet_command
from tests.support.jobs import submit
from tests.support.labelled_folders import picture
from tests.support.markdown import ROOT, blocks
from tests.support.onnx_models import write_onnx_version
from tests.support.service import ServiceProcess, service_process

BY: Any = {"actor": "ada", "reason": "test"}
SETTINGS = {
    "DUET_EMBEDDED_BROKER": "1",
    "DUET_EMBEDDED_WORKER": "0",
    "DUET_CAPTURE_SHARE": "1",
    "DUET_JOB_FREE_MIB": "0",
    "DUET_DRAIN_NOTICE_SECONDS": "0",
}


@contextmanager
def repeated(*actions: Callable[[], object]) -> Iterator[list[Exception]]:
    """Run each action in a thread again and again; an error of one ends its thread and fails the test."""
    stop, errors = threading.Event(), list[Exception]()

    def run(action: Callable[[], None]) -> None:
        while not stop.wait(0.05):
            try:
                action()
            except Exception as error:
                errors.append(error)
                return

    threads = [threading.Thread(target=run, args=[action], daemon=True) for action in actions]
    for thread in threads:
        thread.start()
    try:
        yield errors
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert errors == []


def publish_and_promote(repository: ModelRepository) -> None:
    """Publish and promote a version of cnn, then delete the champion before the last."""
    with reserve(repository, "cnn") as staging:
        staging.publish(write_onnx_version(staging.folder, "cnn", staging.version))
    before = repository.champion("cnn")
    promote(repository, "cnn", staging.version, **BY)
    for number in repository.numbers("cnn"):
        if number not in (before, staging.version):
            delete_version(repository, "cnn", number, **BY)


def upload(service: ServiceProcess, key: str, numbers: Iterator[int]) -> None:
    """Upload an image of a class of the data set colours."""
    number = next(numbers)
    label = ("grass", "night")[number % 2]
    answer = httpx.post(
        f"{service.url}/datasets/colours",
        params={"label": label},
        files={"file": picture(label, number)},
        headers={"authorization": f"Bearer {key}"},
        timeout=30,
    )
    assert answer.status_code == 200, answer.text


def state(repository: ModelRepository) -> tuple[int, int]:
    """The champion of cnn, and the number of images in the data set colours."""
    home = repository.home_models.parent
    images = read_folder(home, "colours").images if "colours" in dataset_names(home) else 0
    return repository.champion("cnn") or 0, images


def after_changes(repository: ModelRepository, errors: list[Exception]) -> tuple[int, int]:
    """The state after another promotion and another upload."""
    champion, images = state(repository)
    wait_until(lambda: bool(errors) or (state(repository)[0] > champion and state(repository)[1] > images))
    return state(repository)


@pytest.mark.slow
def test_backups_of_a_busy_home_are_consistent(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.mktemp("backups")
    repository = ModelRepository(home / "models", home / "none")
    with service_process(home, **SETTINGS) as service:
        wait_until(EmbeddedBroker(home).answers)
        store = JobStore.open(embedded_url(home))
        key = (home / "api_key").read_text(encoding="ascii").strip()
        numbers = count()
        changes = [lambda: publish_and_promote(repository), lambda: upload(service, key, numbers)]
        with repeated(*changes, lambda: submit(store)) as errors, calling(service.address, 2):
            known = []
            wait_until(lambda: bool(errors) or next(TrafficReader(home).read_all(), None) is not None)
            for number in range(3):
                job = submit(store).id
                known.append(after_changes(repository, errors))
                back_up(home, place / f"{number}.tar")
    for number, (champion, images) in enumerate(known):
        copy = place / str(number)
        restore(place / f"{number}.tar", copy)
        restored = ModelRepository(copy / "models", copy / "none")
        assert list(check_home(restored)) == []
        assert state(restored) >= (champion, 0)
        assert state(restored)[1] >= images
        assert next(TrafficReader(copy).read_all(), None) is not None
    with service_process(copy, **SETTINGS) as service, httpx.Client(base_url=service.url, timeout=30) as client:
        wait_until(EmbeddedBroker(copy).answers)
        models = {each["model"]: each["served"] for each in client.get("/readyz").json()["models"]}
        assert models["cnn"] == restored.champion("cnn")
        assert client.get(f"/jobs/{job}").json()["state"] == "queued"


@pytest.mark.slow
def test_documented_commands_run(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    duet = duet_command(monkeypatch)
    monkeypatch.setenv("DUET_SHIPPED_MODELS", str(tmp_path / "none"))
    [block] = [
        block
        for block in blocks(ROOT / "docs" / "operations.md")
        if block.said.endswith("test_documented_commands_run") and "duet home backup" in block.text
    ]
    place = tmp_path.parent / f"{tmp_path.name}-restored"
    text = block.text.replace("/tmp/duet-backup", f"{place}-backup").replace("/tmp/duet", str(place))
    with service_process(home, **SETTINGS):
        for line in text.splitlines():
            words = shlex.split(line, comments=True)
            is_set = words[0].startswith("DUET_HOME=")
            monkeypatch.setenv("DUET_HOME", words[0].removeprefix("DUET_HOME=") if is_set else str(home))
            assert duet(*words[2 if is_set else 1 :]) == 0, line
    assert capsys.readouterr().out.endswith(f"{place}: no faults\n")
