from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.security.key_store import KEYS_NAME
from tests.support.problems import assert_problem
from tests.support.service import RunningApp, running_app, settings_for

ADMIN = {"x-api-key": "a" * 16}
NEW = {"name": "ci", "scope": "jobs", "limits": {"queued_jobs": 5}}


@pytest.fixture
async def running(home: Path) -> AsyncIterator[RunningApp]:
    async with running_app(settings_for(home, api_keys=f"jobs:{'j' * 16},admin:{'a' * 16}")) as app:
        yield app


async def scopes(app: RunningApp, secret: str) -> tuple[int, list[str]]:
    answer = await app.client.get("/session", headers={"x-api-key": secret})
    return answer.status_code, answer.json().get("scopes", [])


async def test_key_is_added_rotated_and_revoked_without_a_restart(
    running: RunningApp, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "duet.keys"):
        added = (await running.client.post("/keys", json=NEW, headers=ADMIN)).json()
        secret, key_id = added["secret"], added["key"]["id"]
        assert await scopes(running, secret) == (200, ["predict", "feedback", "jobs"])
        listed = await running.client.get("/keys", headers=ADMIN)
        assert [(key["name"], key["limits"]["queued_jobs"]) for key in listed.json()["keys"]] == [("ci", 5)]
        rotated = await running.client.post("/keys/ci/rotate", json={"overlap_hours": 1}, headers=ADMIN)
        assert rotated.json()["key"]["id"] == key_id
        newer = rotated.json()["secret"]
        assert (await scopes(running, secret))[0] == (await scopes(running, newer))[0] == 200
        assert (await running.client.delete(f"/keys/{key_id}", headers=ADMIN)).json()["name"] == "ci"
        assert (await scopes(running, secret))[0] == (await scopes(running, newer))[0] == 401
    assert secret not in listed.text
    assert secret not in caplog.text
    assert "revoked the key ci" in caplog.text


async def test_keys_need_the_scope_admin(running: RunningApp) -> None:
    for method, path in (("GET", "/keys"), ("POST", "/keys"), ("POST", "/keys/ci/rotate"), ("DELETE", "/keys/ci")):
        assert_problem(await running.client.request(method, path), 401, "key-required")
        refused = await running.client.request(method, path, headers={"x-api-key": "j" * 16})
        assert_problem(refused, 403, "scope-required")


async def test_wrong_requests_name_the_problem(running: RunningApp) -> None:
    await running.client.post("/keys", json=NEW, headers=ADMIN)
    again = await running.client.post("/keys", json=NEW, headers=ADMIN)
    assert_problem(again, 409, "key-name-taken")
    for body in ({**NEW, "name": "../x"}, {**NEW, "scope": "root"}, {"name": "a"}, {**NEW, "limits": {"rate": 1}}):
        assert_problem(await running.client.post("/keys", json=body, headers=ADMIN), 422, "invalid-parameters")
    assert_problem(await running.client.delete("/keys/phone", headers=ADMIN), 404, "unknown-key")
    assert_problem(await running.client.post("/keys/phone/rotate", headers=ADMIN), 404, "unknown-key")


async def test_malformed_file_is_503_without_paths(running: RunningApp, home: Path) -> None:
    (home / KEYS_NAME).write_text("{")
    for method, body in (("GET", None), ("POST", NEW)):
        refused = await running.client.request(method, "/keys", json=body, headers=ADMIN)
        assert_problem(refused, 503, "key-store")
        assert str(home) not in refused.text
