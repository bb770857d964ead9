from __future__ import annotations

import time
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie
from pathlib import Path

import httpx
import pytest

from core.schemas.api import SessionAnswer
from service.security.sessions import COOKIE, SESSION_SECONDS
from tests.support.problems import assert_problem
from tests.support.service import RunningApp, running_app, settings_for

JOBS, ADMIN = "j" * 16, "a" * 16
SAME_ORIGIN = {"origin": "http://duet"}


@pytest.fixture
async def running(home: Path) -> AsyncIterator[RunningApp]:
    async with running_app(settings_for(home, api_keys=f"jobs:{JOBS},admin:{ADMIN}")) as app:
        yield app


def read(answer: httpx.Response) -> SessionAnswer:
    assert answer.status_code == 200, answer.text
    return SessionAnswer.model_validate_json(answer.content)


@pytest.mark.parametrize("header", [{"x-api-key": JOBS}, {"authorization": f"Bearer {JOBS}"}])
async def test_session_cookie_is_http_only(running: RunningApp, header: dict[str, str]) -> None:
    begun = await running.client.post("/session", headers=header)
    assert read(begun).scopes == ("predict", "feedback", "jobs")
    cookie = SimpleCookie(begun.headers["set-cookie"])[COOKIE]
    assert (cookie["httponly"], cookie["samesite"].lower(), cookie["path"]) == (True, "strict", "/")
    assert (cookie["secure"], cookie["domain"], int(cookie["max-age"])) == ("", "", SESSION_SECONDS)
    assert JOBS not in begun.headers["set-cookie"]
    session = read(await running.client.get("/session"))
    assert session.scopes == ("predict", "feedback", "jobs")
    assert session.expires_at
    assert abs(session.expires_at.timestamp() - time.time() - SESSION_SECONDS) < 60
    ended = await running.client.delete("/session", headers=SAME_ORIGIN)
    assert read(ended).scopes == ()
    assert SimpleCookie(ended.headers["set-cookie"])[COOKIE]["max-age"] == "0"
    assert read(await running.client.get("/session")) == SessionAnswer(scopes=(), expires_at=None)


async def test_behind_tls_the_cookie_stays_there(running: RunningApp) -> None:
    headers = {"x-api-key": JOBS, "origin": "https://duet"}
    assert "; secure" in (await running.client.post("/session", headers=headers)).headers["set-cookie"].lower()


async def test_session_lists_the_scopes_of_the_key(running: RunningApp) -> None:
    answer = read(await running.client.get("/session", headers={"x-api-key": ADMIN}))
    assert answer == SessionAnswer(scopes=("predict", "feedback", "jobs", "admin"), expires_at=None)


async def test_session_without_key_is_401(running: RunningApp) -> None:
    answer = await running.client.post("/session")
    assert_problem(answer, 401, "key-required")
    assert answer.headers["www-authenticate"] == 'Bearer realm="duet"'
    assert_problem(await running.client.post("/session", headers={"authorization": "Basic eDp5"}), 401, "key-required")
    await running.client.post("/session", headers={"x-api-key": JOBS})
    assert_problem(await running.client.post("/session"), 401, "key-required")  # a cookie begets no cookie


@pytest.mark.parametrize("key", ["wrong", JOBS[:-1], JOBS.upper()])
async def test_session_with_wrong_key_is_refused(running: RunningApp, key: str) -> None:
    for method in ("POST", "GET"):
        answer = await running.client.request(method, "/session", headers={"x-api-key": key})
        assert_problem(answer, 401, "key-refused")
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
        assert "set-cookie" not in answer.headers


async def test_forged_or_expired_cookie_is_no_session(running: RunningApp) -> None:
    running.client.cookies.set(COOKIE, f"{'0' * 16}.9999999999.{'0' * 64}")
    assert read(await running.client.get("/session")).scopes == ()


async def test_rebound_host_gets_no_session(running: RunningApp) -> None:
    for method in ("POST", "DELETE"):
        headers = {"x-api-key": JOBS, "host": "evil.example"}
        problem = assert_problem(
            await running.client.request(method, "/session", headers=headers), 403, "host-not-allowed"
        )
        assert problem["host"] == "evil.example"
        assert "DUET_ALLOWED_HOSTS" in problem["detail"]


async def test_another_page_cannot_end_it(running: RunningApp) -> None:
    await running.client.post("/session", headers={"x-api-key": JOBS})
    for headers in ({}, {"origin": "http://duet:9000"}, {"sec-fetch-site": "cross-site"}):
        assert_problem(await running.client.delete("/session", headers=headers), 403, "cross-origin")
    assert read(await running.client.get("/session")).scopes == ("predict", "feedback", "jobs")
