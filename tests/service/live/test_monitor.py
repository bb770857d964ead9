"""Live figures in running services: off by default, one collector for all, alarms once, JSON and page, gauges."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.schemas.live import LiveFigures
from service.live.collector import live_folder
from service.live.monitor import LiveMonitor
from service.traffic.record import traffic_folder
from tests.support.live import gray_answer, gray_requests, usual_mix, write_labels, write_live_home
from tests.support.service import running_app, settings_for, until
from tests.support.traffic import captured, write_segment


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_live_home(tmp_path)
    return tmp_path


def live_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "live figures"]


def drifted(images: int = 60) -> list[Any]:
    answer = gray_answer("white", confidence=0.6, flagged=True)
    return [captured(f"d{number}", answers=(answer,)) for number in range(images)]


async def figures_of(client: httpx.AsyncClient) -> Any:
    response = await client.get("/metrics/live", headers={"accept": "application/json"})
    assert response.status_code == 200
    return response.json()


async def test_without_captured_traffic_there_is_no_thread_and_no_figure(home: Path) -> None:
    async with running_app(settings_for(home)) as app:
        found = await figures_of(app.client)
        assert live_threads() == []
    assert found == LiveFigures(capturing=False, window=2000).model_dump(mode="json")
    assert not traffic_folder(home).exists()


@pytest.mark.slow
async def test_captured_requests_appear_in_json_and_gauges(home: Path) -> None:
    async with running_app(settings_for(home, capture_share=1.0)) as app:
        assert (await figures_of(app.client))["capturing"]
        records = gray_requests(usual_mix(10))
        write_labels(home, records, ["black"] * 10)
        write_segment(home, records)

        async def has_images() -> bool:
            return bool((await figures_of(app.client))["images"])

        await until(has_images)
        found = await figures_of(app.client)
        text = (await app.client.get("/metrics")).text
    assert live_threads() == []
    assert [(model["model"], model["images"], model["labelled"]) for model in found["models"]] == [
        ("cnn", 10, 10),
        ("mlp", 10, 0),
    ]
    labels = 'model="cnn",precision="fp32"'
    for line in (
        f'duet_live_images{{{labels},version="1"}} 10.0',
        f'duet_live_class_share{{class="black",{labels},version="1"}} 0.2',
        f'duet_live_accuracy{{bound="value",{labels},version="1"}} 0.2',
        'duet_live_disagreement_share{first="cnn@1",second="mlp@1"} 0.0',
        f'duet_live_label_free_accuracy{{{labels},version="1"}} NaN',
    ):
        assert line in text
    assert f'duet_live_evidence{{{labels},test="energy",version="1"}}' in text
    assert f'duet_live_alarm{{{labels},test="coverage",version="1"}} 1.0' in text
    assert 'test="class_mix",version="1"} 1.0' not in "".join(re.findall("duet_live_alarm.*", text))


@pytest.mark.slow
async def test_alarm_is_a_gauge_and_part_of_the_response(home: Path) -> None:
    write_segment(home, drifted())
    async with running_app(settings_for(home)) as app:

        async def has_alarms() -> bool:
            return len((await figures_of(app.client))["alarms"]) == 3

        await until(has_alarms)
        found = await figures_of(app.client)
        text = (await app.client.get("/metrics")).text
    assert not found["capturing"]
    assert {alarm["test"] for alarm in found["alarms"]} == {"class_mix", "confidence", "energy"}
    assert 'duet_live_alarm{model="cnn",precision="fp32",test="energy",version="1"} 1.0' in text


async def test_browsers_get_the_page(home: Path) -> None:
    async with running_app(settings_for(home)) as app:
        shown = await app.client.get("/metrics/live", headers={"accept": "text/html"})
        page = await app.client.get("/ui/live")
    assert shown.text == page.text
    assert shown.headers["content-type"].startswith("text/html")
    assert "script-src" not in shown.headers["content-security-policy"]
    assert "default-src 'self'" in shown.headers["content-security-policy"]
    assert shown.headers["vary"] == "Accept, Accept-Encoding"


@pytest.mark.slow
def test_one_process_collects_and_another_takes_over(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_segment(home, drifted())
    published: list[list[LiveFigures]] = [[], []]
    arrived = threading.Condition()

    def monitor(number: int) -> LiveMonitor:
        def publish(figures: LiveFigures) -> None:
            with arrived:
                published[number].append(figures)
                arrived.notify_all()

        made = LiveMonitor(settings_for(home, capture_share=float(number), log_format="json"), publish)
        made.start()
        return made

    def wait_for_images(number: int, images: int) -> LiveFigures:
        with arrived:
            assert arrived.wait_for(lambda: any(each.images == images for each in published[number]), timeout=60)
        return published[number][-1]

    first = monitor(0)
    try:
        collected = wait_for_images(0, 60)
        second = monitor(1)
        try:
            assert wait_for_images(1, 60) == collected.model_copy(update={"capturing": True})
            first.close()
            write_segment(home, gray_requests(usual_mix(5)))
            assert wait_for_images(1, 65).alarms == collected.alarms
        finally:
            second.close()
    finally:
        first.close()
    assert len((traffic_folder(home) / "alarms.jsonl").read_text().splitlines()) == 3
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    alarms = [(line["level"], line["test"], line["model"]) for line in lines if line["logger"] == "duet.live"]
    assert sorted(alarms) == [("warning", test, "cnn") for test in ("class_mix", "confidence", "energy")]


def test_a_folder_that_cannot_be_made_is_logged(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_segment(home, drifted())
    live_folder(home).write_text("in the way")
    monitor = LiveMonitor(settings_for(home), lambda _: None)
    monitor.start()
    monitor.close()
    assert "live figures failed, and is tried again" in caplog.text
    assert monitor.figures.images == 0
