"""Checks before a job is recorded."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from service.broker.address import broker_folder, embedded_url
from service.errors import NotReadyError
from service.jobs.validation import check_home
from tests.support.broker import Broker
from tests.support.job_api import TRAIN, WITH_KEY, job_app
from tests.support.problems import assert_problem
from tests.support.service import settings_for, write_home


def test_home_with_the_files_of_its_broker_is_accepted(tmp_path: Path) -> None:
    check_home(settings_for(tmp_path, redis_url="redis://elsewhere"))
    broker_folder(tmp_path).mkdir()
    check_home(settings_for(tmp_path, redis_url=embedded_url(tmp_path)))


def test_home_that_was_emptied_is_refused(tmp_path: Path) -> None:
    for settings in (
        settings_for(tmp_path, redis_url=embedded_url(tmp_path)),
        settings_for(tmp_path / "removed", redis_url="redis://elsewhere"),
    ):
        with pytest.raises(NotReadyError, match="restore it, and restart"):
            check_home(settings)


async def test_no_job_is_accepted_without_a_home(broker: Broker, tmp_path: Path) -> None:
    home = tmp_path / "home"
    write_home(home)
    async with job_app(home, broker) as app:
        shutil.rmtree(home)
        answer = await app.client.post("/train", json=TRAIN, headers=WITH_KEY)
        assert "DUET_HOME was removed" in assert_problem(answer, 503, "not-ready")["detail"]
