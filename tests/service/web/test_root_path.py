"""DUET_ROOT_PATH: pages, links, the API description and requests below the path of a proxy."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.jobs.records import JobRecord
from service.api.common.job_responses import job_accepted, job_answer, job_path
from service.settings import Settings
from tests.support.onnx_models import gray_png
from tests.support.service import RunningApp, running_app, settings_for

ROOT = "/apps/duet"


@pytest.fixture
async def running(home: Path) -> AsyncIterator[RunningApp]:
    async with running_app(settings_for(home, root_path=ROOT)) as app:
        yield app


@pytest.mark.parametrize("prefix", [ROOT, ""], ids=["kept by the proxy", "removed by the proxy"])
async def test_routes_work_with_and_without_the_prefix(running: RunningApp, prefix: str) -> None:
    for path in ("/", "/models", "/livez", "/readyz", "/v2", "/docs", "/openapi.json", "/ui/jobs"):
        assert (await running.client.get(f"{prefix}{path}")).status_code == 200, path
    image, headers = gray_png(0), {"content-type": "image/png"}
    assert (await running.client.post(f"{prefix}/predict", content=image, headers=headers)).status_code == 200
    assert (await running.client.get(f"{prefix}/none")).status_code == 404


async def test_prefix_alone_is_the_first_page(running: RunningApp) -> None:
    assert "Playground" in (await running.client.get(ROOT)).text
    assert (await running.client.get(f"{ROOT}x/models")).status_code == 404


async def test_page_links_are_below_the_root_path(running: RunningApp) -> None:
    for path in ("/", "/ui/jobs", "/ui/models", "/ui/comparison", "/docs"):
        text = (await running.client.get(path)).text
        found = re.findall(r'(?:href|src|action)="(/[^"]*)"', text)
        assert found
        assert [each for each in found if not each.startswith(f"{ROOT}/")] == []
        for each in found:
            if "/metrics/compare" not in each:
                assert (await running.client.get(each)).status_code == 200, each


async def test_openapi_names_the_server(running: RunningApp) -> None:
    assert (await running.client.get("/openapi.json")).json()["servers"] == [{"url": ROOT}]


def test_links_of_jobs_are_below_the_root() -> None:
    record = JobRecord(
        id="0" * 32, kind="train", state="queued", parameters={}, attempt=0, token=None, request_id="r",
        created_at=datetime.now(UTC), claimed_at=None, finished_at=None, worker=None, traceparent=None, progress=None,
        result=None, error=None, events="0",
    )  # fmt: skip
    assert job_path(record.id, ROOT) == f"{ROOT}/jobs/{record.id}"
    for links in (job_answer(record, Settings(root_path=ROOT)).links, job_accepted(record, ROOT).links):
        given = [link for link in links.model_dump().values() if link is not None]
        assert len(given) == 4
        assert all(link.startswith(f"{ROOT}/jobs/") for link in given)


@pytest.mark.parametrize("wrong", ["duet", "/duet/", "/", "/a b", "//evil.example", "https://example.org"])
def test_invalid_root_paths_are_refused(home: Path, wrong: str) -> None:
    with pytest.raises(ValueError, match="root_path"):
        settings_for(home, root_path=wrong)
