"""Challenger in one process: which requests it answers, which are dropped, and what is compared."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from service.engine.observer import AnsweredRequest, ModelAnswer
from service.shadow import runner as runner_module
from service.shadow.counts import Compared, TrialCounter, read_counts
from service.shadow.runner import MAX_WAITING_IMAGES, ShadowRunner
from service.traffic.sample import Sample
from tests.support.onnx_models import write_onnx_version
from tests.support.service import RunningApp, running_app, settings_for, until, write_home
from tests.support.shadow import trial


class Shadow(NamedTuple):
    """A runner of cnn@2 against cnn@1, what it stores, and its counts."""

    app: RunningApp
    runner: ShadowRunner
    stored: list[Sample]
    counter: TrialCounter

    def compared(self) -> Compared:
        self.counter.save(self.counter.snapshot())
        return read_counts(self.app.state["settings"].home)

    def request(self, *grays: int, family: str = "cnn", **changes: Any) -> AnsweredRequest:
        """A request of these pictures that the champion of a family has answered."""
        served = self.app.state["engine"].models.champions[family].default
        images = [np.full((8, 8, 3), gray, np.uint8) for gray in grays]
        answer = ModelAnswer(served, served.queue.run(np.stack(images)), served.calibration)
        return AnsweredRequest("one", "predict", images, [b"upload"] * len(images), [answer._replace(**changes)])


@pytest.fixture
async def shadow(tmp_path: Path) -> AsyncIterator[Shadow]:
    write_onnx_version(write_home(tmp_path) / "cnn" / "2", "cnn", 2, inverted=True)
    async with running_app(settings_for(tmp_path)) as app:
        engine = app.state["engine"]
        challenger = await engine.models.find("cnn", 2)
        counter, stored = TrialCounter(tmp_path), list[Sample]()
        yield Shadow(app, ShadowRunner(trial(), challenger, engine, counter, stored.append), stored, counter)


async def finished(shadow: Shadow) -> Compared:
    async def is_idle() -> bool:
        task = shadow.runner._task
        return task is None or task.done()

    await until(is_idle)
    return shadow.compared()


async def test_only_the_disagreements_of_a_request_are_stored(shadow: Shadow) -> None:
    shadow.runner.observe(shadow.request(0, 128, 255))
    assert await finished(shadow) == Compared(agreements=1, disagreements=2, dropped=0)
    [sample] = shadow.stored
    first, last = sample.records()
    assert (first.id, last.id) == ("one~0", "one~2")
    assert (first.origin, first.trial, first.upload) == ("trial", "0" * 32, None)
    assert [answer.label for answer in first.answers] == ["black", "white"]
    assert [answer.label for answer in last.answers] == ["white", "black"]


async def test_requests_that_the_champion_did_not_answer_by_default_are_left_out(shadow: Shadow) -> None:
    shadow.runner.observe(shadow.request(0, family="mlp"))
    shadow.runner.observe(shadow.request(0, tta=True))
    other = await shadow.app.state["engine"].models.find("cnn", 2)
    shadow.runner.observe(shadow.request(0, served=other))
    small = shadow.request(0)._replace(images=[np.zeros((4, 4, 3), np.uint8)])
    shadow.runner.observe(small)
    assert await finished(shadow) == Compared()


async def test_share_chooses_at_random(shadow: Shadow) -> None:
    shadow.runner._trial = trial(share=0.5)
    shadow.runner._random.seed(1)
    for _ in range(40):
        shadow.runner.observe(shadow.request(0))
    compared = await finished(shadow)
    assert 10 <= compared.disagreements <= 30
    assert compared.dropped == 0
    assert all(sample.inclusion_probability == 0.5 for sample in shadow.stored)


async def test_requests_beyond_the_queue_are_dropped_whatever_their_answer(shadow: Shadow) -> None:
    requests = [shadow.request(0, *[128] * 63) for _ in range(MAX_WAITING_IMAGES // 64 + 1)]
    for request in requests:  # without a pause in which the challenger could run
        shadow.runner.observe(request)
    compared = await finished(shadow)
    assert compared == Compared(agreements=63 * 4, disagreements=4, dropped=64)


async def test_old_requests_are_dropped(shadow: Shadow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "MAX_WAITING_SECONDS", -1.0)
    shadow.runner.observe(shadow.request(0))
    assert await finished(shadow) == Compared(dropped=1)
    assert shadow.stored == []


async def test_failure_of_the_challenger_drops_only_its_request(
    shadow: Shadow, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = shadow.runner._challenger.queue.run

    def fail_on_black(images_NHWC: Any) -> Any:
        if not images_NHWC.any():
            raise RuntimeError("out of memory")
        return run(images_NHWC)

    monkeypatch.setattr(shadow.runner._challenger.queue, "run", fail_on_black)
    for gray in (0, 255):
        shadow.runner.observe(shadow.request(gray))
    assert await finished(shadow) == Compared(disagreements=1, dropped=1)
    assert "could not answer a request" in caplog.text


async def test_closing_drops_what_waits(shadow: Shadow) -> None:
    for _ in range(3):
        shadow.runner.observe(shadow.request(0, 255))
    shadow.runner.close()
    assert shadow.compared() == Compared(dropped=6)
