"""Batch predictions with the client and `duet predict --dataset`, over a service with its own worker."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from duet import Client, ClientError, ConflictError, InvalidRequestError, NotAllowedError
from tests.support.duet_command import Duet
from tests.support.job_children import STEPS, double
from tests.support.onnx_models import CLASSES, brightness_of, gray_png, write_onnx_version
from tests.support.service import ServiceProcess, service_process, set_champions

pytestmark = pytest.mark.slow
KEY = "k" * 16


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    folder = tmp_path_factory.mktemp("batch")
    home = folder / "home"
    write_onnx_version(home / "models" / "cnn" / "1")
    write_onnx_version(home / "models" / "cnn" / "2", version=2, inverted=True)
    set_champions(home / "models", cnn=1)
    images = home / "datasets" / "grays"
    for label in CLASSES:
        (images / label).mkdir(parents=True)
        (images / label / "one.png").write_bytes(gray_png(brightness_of(label)))
    (images / CLASSES[0] / "cut.png").write_bytes(gray_png(0)[:45])
    with service_process(
        home,
        DUET_API_KEYS=f"jobs:{KEY}",
        DUET_EMBEDDED_BROKER="1",
        DUET_TRAINING_PYTHON=str(double(folder / "python", STEPS)),
        DUET_JOB_FREE_MIB="0",
        DUET_DRAIN_NOTICE_SECONDS="0",
    ) as running:
        yield running


def labels(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["file"]: row["label"] for row in csv.DictReader(file)}


def test_client_starts_downloads_and_deletes(service: ServiceProcess, tmp_path: Path) -> None:
    with Client(service.url, api_key=KEY) as client:
        job = client.predict_dataset("grays", "cnn", "cnn@2")
        assert (job.kind, job.parameters["models"]) == ("batch", ["cnn@1", "cnn@2"])
        ended = client.wait(job.id)
        assert ended.state == "succeeded", ended
        assert ended.result is not None
        with pytest.raises(InvalidRequestError, match="cnn@1, cnn@2"):
            client.download_result(job.id, tmp_path / "none.csv")
        table = client.download_result(job.id, tmp_path / "two.csv", model="cnn@2")
        assert labels(table)[f"{CLASSES[0]}/one.png"] == CLASSES[-1]
        with pytest.raises(ClientError, match="cannot write"):
            client.download_result(job.id, tmp_path / "none" / "two.csv", model="cnn@2")
        assert client.delete_result(job.id).id == job.id
        with pytest.raises(ConflictError, match="deleted"):
            client.download_result(job.id, tmp_path / "one.csv", model="cnn@1")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["two.csv"]
    with Client(service.url) as client, pytest.raises(NotAllowedError):
        client.predict_dataset("grays")


def test_command_downloads_the_table(
    duet: Duet, service: ServiceProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.csv"
    words = ["predict", "--dataset", "grays", "--url", service.url, "--out", str(out)]
    assert duet(*words) == 1
    assert "key" in capsys.readouterr().err
    assert duet(*words, "--key", KEY, "--model", "cnn@1") == 0
    assert capsys.readouterr().out == f"cnn@1: 5 files predicted, 1 unreadable, in {out}\n"
    assert labels(out) == {f"{label}/one.png": label for label in CLASSES} | {f"{CLASSES[0]}/cut.png": ""}
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]
    assert duet(*words, "--key", KEY) == 1
    assert "out.csv exists: remove it" in capsys.readouterr().err


def test_interrupted_command_finds_its_job_again(duet: Duet, service: ServiceProcess, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    (tmp_path / "out.jsonl.job").write_text("of-the-first-command")
    with Client(service.url, api_key=KEY) as client:
        before = client.predict_dataset("grays", "cnn", table_format="jsonl", idempotency_key="of-the-first-command")
        words = ["predict", "--dataset", "grays", "--url", service.url, "--out", str(out), "--key", KEY]
        assert duet(*words) == 0
        assert client.jobs(kind="batch", limit=1).jobs[0].id == before.id
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--dataset", "none", "--url", "URL"), "none"),
        (("--dataset", "grays"), "--dataset needs --url"),
        ((".", "--dataset", "grays", "--url", "URL"), "name files and folders to predict, or a data set"),
        ((), "name files and folders to predict, or a data set"),
        (("--dataset", "grays", "--url", "URL", "--model", "cnn@9"), "unknown version 9"),
    ],
)
def test_wrong_options_are_refused(
    duet: Duet,
    service: ServiceProcess,
    words: tuple[str, ...],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [service.url if word == "URL" else word for word in words]
    assert duet("predict", *given, "--out", str(tmp_path / "a.csv"), "--key", KEY) == 1
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
