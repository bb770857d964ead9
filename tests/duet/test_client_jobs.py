"""Job, promotion and data set methods of the client, over a service with a worker and stub job processes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.jobs.events import Claimed, Finished, Note
from duet import Client, ClientError, ConflictError, InvalidRequestError, NotAllowedError, NotFoundError
from tests.support.job_api import empty_cifar
from tests.support.job_children import STEPS, double
from tests.support.labelled_folders import picture
from tests.support.service import ServiceProcess, service_process, write_home

KEY = "k" * 16
LONG = 100_000


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    folder = tmp_path_factory.mktemp("jobs")
    home = folder / "home"
    write_home(home)
    with service_process(
        home,
        DUET_API_KEYS=f"admin:{KEY}",
        DUET_EMBEDDED_BROKER="1",
        DUET_TRAINING_PYTHON=str(double(folder / "python", STEPS)),
        DUET_DATA_DIR=str(empty_cifar(folder / "cifar")),
        DUET_JOB_FREE_MIB="0",
        DUET_DRAIN_NOTICE_SECONDS="0",
    ) as running:
        yield running


@pytest.fixture
def client(service: ServiceProcess) -> Iterator[Client]:
    with Client(service.url, api_key=KEY) as connected:
        yield connected


@pytest.mark.slow
def test_download_is_a_job(client: Client) -> None:
    job = client.download()
    assert (job.kind, job.parameters) == ("download", {"data": "cifar10"})
    assert client.wait(job.id).finished


@pytest.mark.slow
def test_train_events_wait_and_log(client: Client) -> None:
    job = client.train("mlp_baseline", seed=3, overrides={"epochs": 2}, promote="never")
    assert (job.kind, job.parameters["seed"], job.parameters["overrides"]) == ("train", 3, {"epochs": 2})
    told = list(client.events(job.id))
    assert any(isinstance(each.event, Claimed) for each in told)
    assert [each.event.text for each in told if isinstance(each.event, Note)] == ["step 1", "step 2", "step 3"]
    assert told[-1].event == Finished(state="succeeded")
    assert [each.id for each in client.events(job.id, after=told[-2].id)] == [told[-1].id]
    assert list(client.events(job.id, after=told[-1].id)) == []
    ended = client.wait(job.id)
    assert (ended.state, ended.result) == ("succeeded", {"steps": 3})
    assert isinstance(client.log(job.id, tail=5), str)
    with pytest.raises(ConflictError):
        client.cancel(job.id)
    with pytest.raises(ConflictError):
        client.retry(job.id)


@pytest.mark.slow
def test_cancel_and_retry(client: Client) -> None:
    job = client.train("mlp_baseline", seed=LONG)
    following = client.events(job.id)
    while not isinstance(next(following).event, Note):
        pass
    assert client.job(job.id).state == "running"
    assert client.cancel(job.id).state in ("cancelling", "cancelled")
    assert client.wait(job.id, timeout_seconds=60).state == "cancelled"
    assert client.retry(job.id).state == "queued"
    client.cancel(job.id)
    assert client.wait(job.id).state == "cancelled"
    assert [one.id for one in client.jobs(state="cancelled", kind="train", limit=1).jobs] == [job.id]


@pytest.mark.slow
def test_own_idempotency_key_starts_one_job(client: Client) -> None:
    first, again = (client.evaluate("cnn@1", idempotency_key="mine") for _ in range(2))
    assert first.id == again.id
    assert client.evaluate("cnn@1").id != first.id
    with pytest.raises(InvalidRequestError) as reused:
        client.evaluate(idempotency_key="mine")
    assert reused.value.type == "urn:duet:problem:idempotency-key-reused"


@pytest.mark.slow
def test_invalid_jobs_and_keys_raise(client: Client, service: ServiceProcess) -> None:
    assert "mlp_baseline" in [recipe.name for recipe in client.recipes().recipes]
    with pytest.raises(InvalidRequestError):
        client.train("resnet")
    with pytest.raises(NotFoundError):
        client.job("nothing")
    with Client(service.url) as stranger, pytest.raises(NotAllowedError) as refused:
        stranger.train("mlp_baseline")
    assert refused.value.status == 401
    with Client(service.url, api_key="wrong-wrong-wrong") as stranger, pytest.raises(NotAllowedError):
        stranger.cancel("nothing")


@pytest.mark.slow
def test_gate_promote_and_rollback(client: Client) -> None:
    assert client.gate("mlp", 1).ground == "is_champion"
    assert client.promote("mlp", 1, reason="as it was").promotion.to_version == 1
    assert client.promotions("mlp").promotions == ()
    assert [one.job for one in client.evaluations("mlp", 1).evaluations] == [None]
    with pytest.raises(ConflictError) as nothing:
        client.rollback("mlp", reason="worse")
    assert nothing.value.type == "urn:duet:problem:nothing-to-roll-back"


@pytest.mark.slow
def test_data_sets_are_added_listed_and_deleted(client: Client, tmp_path: Path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for number in range(4):
            file.writestr(f"grass/{number}.png", picture("grass", number))
    (tmp_path / "colours.zip").write_bytes(archive.getvalue())
    assert client.add_archive("colours", tmp_path / "colours.zip").added == 4
    assert client.add_archive("colours", archive.getvalue()).duplicates == 4
    assert client.add_images("colours", "night", picture("night", 0), picture("night", 1)).added == 2
    assert [one.name for one in client.datasets().datasets] == ["colours"]
    assert [(one.label, one.images) for one in client.dataset("colours").classes] == [("grass", 4), ("night", 2)]
    [image] = client.dataset_images("colours", label="night", limit=1).images
    moved = client.edit_dataset("colours", {image.file: "grass"}, reason="a meadow")
    assert moved.edit is not None
    assert client.dataset_edits("colours").edits == (moved.edit,)
    assert client.edit_dataset("colours", {image.file: None}).dataset.images == 5
    assert [one.file for one in client.dataset_images("colours", removed=True).images] == [image.file]
    assert client.dataset_report("colours").files == 5
    assert client.delete_dataset("colours").images == 5
    with pytest.raises(NotFoundError):
        client.dataset("colours")
    with pytest.raises(ClientError, match=r"absent\.zip"):
        client.add_archive("colours", tmp_path / "absent.zip")
    with pytest.raises(ClientError, match="at least one image"):
        client.add_images("colours", "night")
