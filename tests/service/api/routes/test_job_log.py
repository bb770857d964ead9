from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from service.api.routes.jobs import NEXT_OFFSET
from tests.support.broker import Broker
from tests.support.job_api import job_app, submitted, write_log
from tests.support.problems import assert_problem
from tests.support.service import RunningApp, write_home

pytestmark = pytest.mark.asyncio(loop_scope="module")
LINES = "".join(f"line {i} é\n" for i in range(20_000)).encode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def jobs_app(tmp_path_factory: pytest.TempPathFactory, shared_broker: Broker) -> AsyncIterator[RunningApp]:
    """One app for all tests, each of which submits its own job."""
    home = tmp_path_factory.mktemp("home")
    write_home(home)
    async with job_app(home, shared_broker) as app:
        yield app


async def test_unclaimed_job_has_an_empty_log(jobs_app: RunningApp) -> None:
    answer = await jobs_app.client.get(f"/jobs/{await submitted(jobs_app)}/log")
    assert (answer.status_code, answer.content, answer.headers[NEXT_OFFSET]) == (200, b"", "0")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_log_continues_from_an_offset(jobs_app: RunningApp) -> None:
    job_id = await submitted(jobs_app)
    path = write_log(jobs_app, job_id, LINES)
    whole = await jobs_app.client.get(f"/jobs/{job_id}/log")
    assert whole.content == LINES
    assert whole.headers["cache-control"] == "no-store"
    offset = whole.headers[NEXT_OFFSET]
    assert int(offset) == len(LINES)
    with path.open("ab") as stream:
        stream.write(b"more\n")
    since = await jobs_app.client.get(f"/jobs/{job_id}/log", params={"offset": offset})
    assert (since.content, int(since.headers[NEXT_OFFSET])) == (b"more\n", len(LINES) + 5)
    beyond = await jobs_app.client.get(f"/jobs/{job_id}/log", params={"offset": 2**40})
    assert beyond.content == b""


@pytest.mark.parametrize("content", [LINES, LINES[:-1], b"\n" * 5, b"one", b"one\n", b""])
@pytest.mark.parametrize("tail", [1, 2, 3, 9_999, 100_000])
async def test_tail_returns_the_last_lines(jobs_app: RunningApp, content: bytes, tail: int) -> None:
    job_id = await submitted(jobs_app)
    write_log(jobs_app, job_id, content)
    answer = await jobs_app.client.get(f"/jobs/{job_id}/log", params={"tail": tail})
    assert answer.content == b"".join(content.splitlines(keepends=True)[-tail:])


@pytest.mark.parametrize("query", [{"tail": 0}, {"tail": "all"}, {"offset": -1}, {"offset": 2**63}, {"lines": 3}])
async def test_unknown_parts_are_refused(jobs_app: RunningApp, query: dict[str, Any]) -> None:
    answer = await jobs_app.client.get(f"/jobs/{await submitted(jobs_app)}/log", params=query)
    assert_problem(answer, 422, "invalid-parameters")


async def test_invalid_job_id_is_never_a_path(jobs_app: RunningApp) -> None:
    for unknown in ("0" * 32, "..", "%2e%2e", "..%2f..%2fapi_key"):
        answer = await jobs_app.client.get(f"/jobs/{unknown}/log")
        assert answer.status_code == 404


async def test_log_has_no_paths_of_the_server(jobs_app: RunningApp) -> None:
    job_id, home = await submitted(jobs_app), jobs_app.state["settings"].home
    write_log(jobs_app, job_id, f"resumed from {home}/runs/1/checkpoint\n".encode())
    answer = await jobs_app.client.get(f"/jobs/{job_id}/log")
    assert answer.text == "resumed from DUET_HOME/runs/1/checkpoint\n"
