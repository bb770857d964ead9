"""Decoder processes of a running service: memory, and no process left after its end."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx
import psutil
import pytest

from tests.hostile.image_files import photograph, saved, webp_of_many_codes
from tests.support.problems import assert_problem
from tests.support.service import child_processes, service_process

RAW = {"content-type": "application/octet-stream"}
MAX_GROWTH_MB = 60


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of the processes")
def test_expensive_image_takes_no_memory_of_the_service(home: Path) -> None:
    with service_process(home, DUET_DEADLINE_SECONDS="60", DUET_DRAIN_NOTICE_SECONDS="0") as service:
        process = psutil.Process(service.process.pid)
        with httpx.Client(base_url=service.url, timeout=90, headers=RAW) as client:
            before = process.memory_info().rss
            problem = assert_problem(client.post("/predict", content=webp_of_many_codes()), 422, "unreadable-image")
            assert "takes more than 150 MB of memory" in problem["detail"]
            assert client.post("/predict", content=saved(photograph(64), "WEBP")).status_code == 200
            assert (process.memory_info().rss - before) / 1e6 < MAX_GROWTH_MB
        [decoder] = [psutil.Process(child) for child in child_processes(service.process.pid)]
        service.terminate()
        assert service.wait() == 0
        assert not decoder.is_running()
