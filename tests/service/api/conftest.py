from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.broker import Broker
from tests.support.job_api import job_app
from tests.support.service import RunningApp


@pytest.fixture
async def jobs_app(home: Path, broker: Broker) -> AsyncIterator[RunningApp]:
    """The app over that broker, with keys for jobs and admin."""
    async with job_app(home, broker) as app:
        yield app
