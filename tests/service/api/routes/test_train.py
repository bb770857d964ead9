from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from core.images.labelled_folders import datasets_folder
from core.jobs.parameters import TrainParameters
from core.recipes import recipe_config
from core.repository.manifest import MANIFEST_NAME, read_manifest
from core.schemas.jobs import JobAccepted
from core.schemas.keys import KeyLimits
from service.jobs.store.keys import QUEUED
from service.jobs.store.store import JobStore
from service.security.key_store import add_key
from tests.support.broker import Broker
from tests.support.job_api import (
    ADMIN_KEY,
    TRAIN,
    WITH_KEY,
    desk_of,
    job,
    job_app,
    messages,
    submitted,
    worker_report,
)
from tests.support.onnx_models import gray_png
from tests.support.problems import assert_problem
from tests.support.service import RunningApp, running_app, settings_for, until
from tests.support.versions import write_version

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_train_records_and_sends_the_job(jobs_app: RunningApp, broker: Broker) -> None:
    headers = WITH_KEY | {"x-request-id": "mine", "traceparent": TRACEPARENT}
    answer = await jobs_app.client.post("/train", json=TRAIN, headers=headers)
    assert answer.status_code == 202
    accepted = JobAccepted.model_validate_json(answer.content)
    assert answer.headers["location"] == accepted.links.job == f"/jobs/{accepted.id}"
    record = (await jobs_app.client.get(answer.headers["location"])).json()
    assert (record["kind"], record["state"], record["attempt"]) == ("train", "queued", 0)
    assert (record["request_id"], record["traceparent"]) == ("mine", TRACEPARENT)
    assert record["parameters"] == {
        **TRAIN,
        "data": "cifar10",
        "family": None,
        "init_from": None,
        "promote": "if_better",
    }
    assert messages(broker, "train") == 1
    assert messages(broker, "evaluate") == 0


@pytest.mark.parametrize(
    ("change", "parameter", "said"),
    [
        ({"recipe": "vit"}, "recipe", "available recipes are"),
        ({"overrides": {"image_size": 64}}, "overrides.image_size", "cifar10 are 32x32 and cannot be resized"),
        ({"recipe": "photo"}, "recipe", "photo takes images of 224x224, and those of cifar10 are 32x32"),
        ({"recipe": 7}, "recipe", "string"),
        ({"overrides": {"epoch": 2}}, "overrides.epoch", "unknown setting 'epoch'"),
        ({"overrides": {"epochs": 0}}, "overrides.epochs", "greater than 0"),
        ({"overrides": {"network": {"hidden": [8, "wide"]}}}, "overrides.network.hidden", "valid integer"),
        ({"overrides": {"seed": 1}}, "overrides", "seed is given twice"),
        ({"overrides": {"network.hidden": [8] * 65}}, "overrides.network.hidden", "at most 64 items"),
        ({"overrides": {f"setting{number}": 1 for number in range(101)}}, "overrides", "at most 100 items"),
        ({"seed": -1}, "seed", "greater than or equal to 0"),
        ({"data": "imagenet"}, "data", "such as folder:my-pets"),
        ({"data": "folder:../../etc"}, "data", "such as folder:my-pets"),
        ({"data": "folder:pets", "family": "pets"}, "data", "unknown data set 'pets'"),
        ({"data": "folder:pets"}, "family", "name a family to publish under"),
        ({"init_from": "cnn"}, "init_from", "such as cnn@3"),
        ({"family": "My Pets"}, "family", "up to 32 lower-case letters, digits, - and _, starting with a letter"),
        ({"promote": "maybe"}, "promote", "if_better"),
        ({"epochs": 3}, "epochs", "unknown parameter"),
    ],
)
async def test_invalid_parameter_is_named_with_the_reason(
    jobs_app: RunningApp, broker: Broker, change: dict[str, Any], parameter: str, said: str
) -> None:
    answer = await jobs_app.client.post("/train", json=TRAIN | change, headers=WITH_KEY)
    problem = assert_problem(answer, 422, "invalid-parameters")
    assert problem["errors"][0]["parameter"] == parameter
    assert said in problem["errors"][0]["message"]
    assert messages(broker, "train") == 0
    assert (await jobs_app.client.get("/jobs")).json()["jobs"] == []


async def test_json_body_of_more_than_64_kib_is_refused(jobs_app: RunningApp) -> None:
    body = {"versions": ["x"] * 20_000}
    answer = await jobs_app.client.post("/evaluate", json=body, headers=WITH_KEY)
    assert assert_problem(answer, 413, "body-too-large")["limit_bytes"] == 65_536


async def test_queue_is_limited_in_all_and_for_each_key(
    broker: Broker, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.jobs.service.MAX_QUEUED_JOBS", 4)
    async with job_app(home, broker) as app:
        first = [await submitted(app) for _ in range(2)]
        answer = await app.client.post("/train", json=TRAIN, headers=WITH_KEY)
        problem = assert_problem(answer, 429, "too-many-queued-jobs")
        assert (problem["queued"], problem["limit"]) == (2, 2)
        assert answer.headers["retry-after"]
        for _ in range(2):
            assert (await app.client.post("/train", json=TRAIN, headers={"x-api-key": ADMIN_KEY})).status_code == 202
        problem = assert_problem(
            await app.client.post("/evaluate", json={}, headers=WITH_KEY), 429, "too-many-queued-jobs"
        )
        assert (problem["queued"], problem["limit"]) == (4, 4)
        await app.client.post(f"/jobs/{first[0]}/cancel", headers=WITH_KEY)
        await submitted(app)
        retried = await app.client.post(f"/jobs/{first[0]}/retry", headers=WITH_KEY)
        assert_problem(retried, 429, "too-many-queued-jobs")


async def test_stored_key_has_its_own_limit_of_queued_jobs(broker: Broker, home: Path) -> None:
    _, secret = add_key(home, "ci", "jobs", limits=KeyLimits(queued_jobs=1))
    async with job_app(home, broker) as app:
        own = {"x-api-key": secret}
        assert (await app.client.post("/train", json=TRAIN, headers=own)).status_code == 202
        answer = await app.client.post("/train", json=TRAIN, headers=own)
        problem = assert_problem(answer, 429, "too-many-queued-jobs")
        assert (problem["queued"], problem["limit"]) == (1, 1)
        await submitted(app)


async def test_too_small_dataset_is_refused(jobs_app: RunningApp, home: Path) -> None:
    (datasets_folder(home) / "pets" / "cat").mkdir(parents=True)
    (datasets_folder(home) / "pets" / "cat" / "1.png").write_bytes(gray_png(0))
    body = TRAIN | {"data": "folder:pets", "family": "pets"}
    problem = assert_problem(
        await jobs_app.client.post("/train", json=body, headers=WITH_KEY), 422, "invalid-parameters"
    )
    assert "1 class" in problem["detail"]


@pytest.mark.parametrize(
    ("reference", "status", "slug"), [("vit@1", 404, "unknown-model"), ("cnn@9", 404, "unknown-version")]
)
async def test_missing_init_from_or_teacher_is_refused(
    jobs_app: RunningApp, broker: Broker, reference: str, status: int, slug: str
) -> None:
    for change in (
        {"init_from": reference},
        {"overrides": {"init_from": reference}},
        {"overrides": {"distillation.teacher": reference}},
        {"overrides": {"distillation.teacher": f"cnn@1+{reference}"}},
    ):
        answer = await jobs_app.client.post("/train", json=TRAIN | change, headers=WITH_KEY)
        assert_problem(answer, status, slug)
    assert messages(broker, "train") == 0
    await submitted(jobs_app, TRAIN | {"overrides": {"distillation.teacher": "cnn@1"}})


async def test_init_from_another_network_is_refused(jobs_app: RunningApp, broker: Broker, home: Path) -> None:
    for version, recipe in ((5, "mlp_baseline"), (6, "cnn_baseline")):
        config = recipe_config(recipe).model_dump(mode="json")
        write_version(home / "models" / "mlp" / str(version), "mlp", version, config=config)
    problem = assert_problem(
        await jobs_app.client.post("/train", json=TRAIN | {"init_from": "mlp@6"}, headers=WITH_KEY),
        422,
        "invalid-parameters",
    )
    assert problem["errors"][0]["parameter"] == "init_from"
    assert "network.kind is 'cnn' there, 'mlp' here" in problem["detail"]
    unread = await jobs_app.client.post("/train", json=TRAIN | {"init_from": "mlp@1"}, headers=WITH_KEY)
    assert "is not valid in this release" in assert_problem(unread, 422, "invalid-parameters")["detail"]
    assert messages(broker, "train") == 0
    await submitted(jobs_app, TRAIN | {"init_from": "mlp@5"})


@pytest.mark.parametrize("parameter", ["overrides.distillation.teacher", "init_from"])
async def test_leaking_version_is_refused_before_recording(
    jobs_app: RunningApp, broker: Broker, home: Path, parameter: str
) -> None:
    config = recipe_config("mlp_baseline").model_dump(mode="json")
    folder = home / "models" / "mlp" / "5"
    write_version(folder, "mlp", 5, config=config)
    manifest = read_manifest(folder)
    data = manifest.data.model_copy(update={"name": "cifar10", "trained_on": ("train", "validation")})
    (folder / MANIFEST_NAME).write_text(manifest.model_copy(update={"data": data}).to_json())

    def request(**overrides: object) -> dict[str, Any]:
        if parameter == "init_from":
            return TRAIN | {"data": "cifar10", "init_from": "mlp@5", "overrides": overrides}
        return TRAIN | {"data": "cifar10", "overrides": {"distillation.teacher": "mlp@5"} | overrides}

    answer = await jobs_app.client.post("/train", json=request(), headers=WITH_KEY)
    problem = assert_problem(answer, 422, "invalid-parameters")
    assert problem["errors"][0]["parameter"] == parameter
    assert "it was trained on the validation images" in problem["detail"]
    assert messages(broker, "train") == 0
    await submitted(jobs_app, request(include_validation=True))


async def test_promote_always_needs_scope_admin(jobs_app: RunningApp, broker: Broker) -> None:
    body = TRAIN | {"promote": "always"}
    problem = assert_problem(await jobs_app.client.post("/train", json=body, headers=WITH_KEY), 403, "scope-required")
    assert problem["required"] == "admin"
    assert messages(broker, "train") == 0
    answer = await jobs_app.client.post("/train", json=body, headers={"x-api-key": ADMIN_KEY})
    assert answer.status_code == 202


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff{}", b'{"recipe":' * 5_000])
async def test_body_other_than_a_json_object_is_malformed(jobs_app: RunningApp, body: bytes) -> None:
    assert_problem(await jobs_app.client.post("/train", content=body, headers=WITH_KEY), 400, "malformed-body")


async def test_key_is_checked_before_the_body(jobs_app: RunningApp, broker: Broker) -> None:
    assert_problem(await jobs_app.client.post("/train", content=b"{"), 401, "key-required")
    wrong = {"x-api-key": "x" * 16}
    assert_problem(await jobs_app.client.post("/train", json=TRAIN, headers=wrong), 401, "key-refused")
    rebound = WITH_KEY | {"host": "evil.example"}
    assert_problem(await jobs_app.client.post("/train", json=TRAIN, headers=rebound), 403, "host-not-allowed")
    assert messages(broker, "train") == 0
    for headers in ({"x-api-key": ADMIN_KEY}, {"authorization": f"Bearer {ADMIN_KEY}"}):
        assert (await jobs_app.client.post("/train", json=TRAIN, headers=headers)).status_code == 202


async def test_cookie_from_another_origin_is_refused(jobs_app: RunningApp, broker: Broker) -> None:
    await jobs_app.client.post("/session", headers=WITH_KEY)
    for headers in ({}, {"origin": "http://duet:9999"}, {"sec-fetch-site": "same-site"}):
        assert_problem(await jobs_app.client.post("/train", json=TRAIN, headers=headers), 403, "cross-origin")
    assert messages(broker, "train") == 0
    own = {"origin": "http://duet"}
    assert (await jobs_app.client.post("/train", json=TRAIN, headers=own)).status_code == 202
    jobs_app.client.cookies.set("duet_session", "forged")
    jobs_app.client.cookies.delete("duet_session", domain="duet.local")
    assert_problem(await jobs_app.client.post("/train", json=TRAIN, headers=own), 401, "key-refused")


async def test_repeated_idempotency_key_returns_the_first_job(jobs_app: RunningApp, broker: Broker) -> None:
    headers = WITH_KEY | {"idempotency-key": "once"}
    first = await jobs_app.client.post("/train", json=TRAIN, headers=headers)
    store = desk_of(jobs_app).store
    store.request_cancel(first.json()["id"])
    again = await jobs_app.client.post("/train", json=TRAIN, headers=headers)
    assert (again.status_code, again.headers["location"]) == (202, first.headers["location"])
    assert again.json() == first.json()  # whatever has become of the job
    assert messages(broker, "train") == 1
    other = await jobs_app.client.post("/train", json=TRAIN | {"seed": 4}, headers=headers)
    assert_problem(other, 422, "idempotency-key-reused")
    elsewhere = await jobs_app.client.post("/evaluate", json={}, headers=headers)
    assert_problem(elsewhere, 422, "idempotency-key-reused")
    another_caller = headers | {"x-api-key": ADMIN_KEY}
    assert (await jobs_app.client.post("/train", json=TRAIN, headers=another_caller)).json()["id"] != first.json()["id"]


async def test_concurrent_requests_with_one_key_create_one_job(jobs_app: RunningApp, broker: Broker) -> None:
    headers = WITH_KEY | {"idempotency-key": "crowd"}

    async def ask() -> tuple[int, str]:
        answer = await jobs_app.client.post("/train", json=TRAIN, headers=headers)
        if answer.status_code == 409:
            assert answer.headers["retry-after"] == "1"
            return 409, assert_problem(answer, 409, "request-in-flight")["detail"]
        return answer.status_code, answer.json()["id"]

    answers = await asyncio.gather(*[ask() for _ in range(50)])
    accepted = {job_id for status, job_id in answers if status == 202}
    assert {status for status, _ in answers} <= {202, 409}
    assert len(accepted) == 1
    assert len((await jobs_app.client.get("/jobs")).json()["jobs"]) == messages(broker, "train") == 1


async def test_refused_request_releases_its_idempotency_key(jobs_app: RunningApp) -> None:
    headers = WITH_KEY | {"idempotency-key": "retry-me"}
    bad = TRAIN | {"recipe": "vit"}
    assert_problem(await jobs_app.client.post("/train", json=bad, headers=headers), 422, "invalid-parameters")
    assert (await jobs_app.client.post("/train", json=TRAIN, headers=headers)).status_code == 202


@pytest.mark.parametrize("key", ["", "two words", "ä", "k" * 256])
async def test_idempotency_keys_are_plain_text(jobs_app: RunningApp, key: str) -> None:
    headers = [*WITH_KEY.items(), ("idempotency-key", key.encode("utf-8"))]
    answer = await jobs_app.client.post("/train", json=TRAIN, headers=headers)  # type: ignore[arg-type]
    assert assert_problem(answer, 422, "invalid-parameters")["errors"][0]["parameter"] == "Idempotency-Key"


async def test_unready_workers_are_reported_with_reason(jobs_app: RunningApp, broker: Broker) -> None:
    beats = desk_of(jobs_app).heartbeats
    beats.beat(worker_report("one", ready=False))
    beats.beat(worker_report("evaluator", ready=True, queues=["evaluate"]))
    answer = await jobs_app.client.post("/train", json=TRAIN, headers=WITH_KEY)
    problem = assert_problem(answer, 503, "training-not-ready")
    assert problem["reason"] == "the training environment of one is being installed"
    assert problem["since"] == "2026-01-02T03:04:05+00:00"
    assert "retry-after" in answer.headers
    assert messages(broker, "train") == 0
    assert (await jobs_app.client.post("/evaluate", json={}, headers=WITH_KEY)).status_code == 202
    beats.beat(worker_report("two", ready=True))
    await submitted(jobs_app)


async def test_jobs_without_broker_give_advice(home: Path) -> None:
    async with running_app(settings_for(home, api_keys=f"jobs:{WITH_KEY['x-api-key']}")) as app:
        for method, path in (("POST", "/train"), ("POST", "/evaluate"), ("GET", "/jobs"), ("GET", "/jobs/x/events")):
            answer = await app.client.request(method, path, json=TRAIN if method == "POST" else None, headers=WITH_KEY)
            assert "DUET_REDIS_URL" in assert_problem(answer, 503, "jobs-not-configured")["detail"]


async def test_broker_outage_affects_jobs_only_and_recovers(home: Path, mortal_broker: Broker) -> None:
    async with job_app(home, mortal_broker) as app:
        before = await submitted(app)
        mortal_broker.kill()
        headers = WITH_KEY | {"idempotency-key": "through"}
        answer = await app.client.post("/train", json=TRAIN, headers=headers)
        assert "start it again" in assert_problem(answer, 503, "broker-unavailable")["detail"]
        assert "retry-after" in answer.headers
        for path in ("/jobs", f"/jobs/{before}", f"/jobs/{before}/events", f"/jobs/{before}/log"):
            assert_problem(await app.client.get(path), 503, "broker-unavailable")
        image = {"content": gray_png(0), "headers": {"content-type": "image/png"}}
        for path in ("/predict", "/compare"):
            assert (await app.client.post(path, **image)).status_code == 200  # type: ignore[arg-type]
        assert await app.is_ready()
        mortal_broker.restart()
        assert (await app.client.post("/train", json=TRAIN, headers=headers)).status_code == 202
        assert (await job(app, before))["state"] == "queued"


async def test_app_started_before_its_broker_connects(home: Path, mortal_broker: Broker) -> None:
    mortal_broker.kill()
    async with job_app(home, mortal_broker) as app:
        assert_problem(await app.client.get("/jobs"), 503, "broker-unavailable")
        mortal_broker.restart()
        await submitted(app)


async def test_recorded_but_unsent_job_is_sent_later(home: Path, broker: Broker) -> None:
    """The same state as after a kill of the API between recording and sending."""
    store = JobStore.open(broker.url)
    record = store.create("train", TrainParameters(recipe="mlp_baseline"), request_id="r", traceparent=None)
    assert messages(broker, "train") == 0
    with broker.client() as client:
        client.zadd(QUEUED, {record.id: 1})  # it has waited for long
    async with job_app(home, broker):
        await until(lambda: asyncio.sleep(0.05, messages(broker, "train") == 1))
    store.client.close()
