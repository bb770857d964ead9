"""Idle runs: the share of a thread's time that they may take."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from service.engine.arrays import Pixels
from service.engine.postprocess import Outputs
from service.traffic import idle_runs
from service.traffic.idle_runs import MAX_CREDIT_SECONDS, IdleRuns
from tests.support.service import running_app, settings_for, write_home


class _Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now


async def test_runs_wait_once_their_time_is_used_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_home(tmp_path)
    async with running_app(settings_for(tmp_path)) as app:
        clock = _Clock()
        monkeypatch.setattr(idle_runs, "time", clock)
        engine = app.state["engine"]
        served = engine.models.champions["cnn"].default
        run = served.queue.run

        def slow(images_NHWC: Pixels) -> Outputs:
            clock.now += 0.5
            return run(images_NHWC)

        monkeypatch.setattr(served.queue, "run", slow)
        runs = IdleRuns(engine, time_share=0.1)
        assert runs.seconds_to_wait() == 0
        outputs = await runs.run(served, [np.zeros((8, 8, 3), np.uint8)] * 9)
        assert len(outputs.energies) == 1  # a slow model runs on one image at a time
        # 0.1 s was saved up, 0.05 s came in during the run, and the rest comes in at 0.1 s per second.
        assert runs.seconds_to_wait() == pytest.approx((0.5 - MAX_CREDIT_SECONDS - 0.05) / 0.1)
        clock.now += 3.6
        assert runs.seconds_to_wait() == 0
