"""Each kind of disturbance once during light trainings; `python -m tests.hostile.chaos` runs longer."""

from __future__ import annotations

import sys

import pytest

from tests.hostile.chaos.__main__ import chaos
from tests.hostile.chaos.run import KILLS


@pytest.mark.full
@pytest.mark.timeout(1200)
@pytest.mark.skipif(sys.platform != "linux", reason="children are found in /proc, and a tmpfs is mounted")
def test_disturbances_lose_no_job() -> None:
    figures = chaos(7, seed=0)
    assert figures.faults == []
    assert figures.finished == figures.jobs > 0
    assert set(KILLS) <= set(figures.disturbances)
