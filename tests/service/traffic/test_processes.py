"""Capture by real processes: kill -9 while capturing, and several API processes at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil
import pytest

from service.traffic.reader import TrafficReader
from service.traffic.segments import read_frames, segment_paths, segments_folder
from service.traffic.writer import ANSWER_SECONDS, TICK_SECONDS
from tests.support.onnx_models import gray_png
from tests.support.service import service_process, write_home

UNFLUSHED_SECONDS = 1.0


def test_limits_of_the_writer_keep_a_batch_under_a_second() -> None:
    assert ANSWER_SECONDS + 2 * TICK_SECONDS < UNFLUSHED_SECONDS


@pytest.mark.slow
def test_kill_while_capturing_loses_only_the_unflushed_batch(tmp_path: Path) -> None:
    write_home(tmp_path)
    answered: list[str] = []
    with service_process(tmp_path, DUET_CAPTURE_SHARE="1") as service:
        killed = threading.Event()

        def call() -> None:
            with httpx.Client(base_url=service.url) as client:
                while not killed.is_set():
                    try:
                        response = client.post(
                            "/predict", content=gray_png(len(answered) % 256), headers={"content-type": "image/png"}
                        )
                    except httpx.HTTPError:
                        return
                    if response.status_code == 200:
                        answered.append(response.json()["request_id"])

        caller = threading.Thread(target=call)
        caller.start()
        reader = TrafficReader(tmp_path)
        seen = 0
        while seen < 200:  # several batches
            seen += len(reader.read_new())
            time.sleep(0.01)
        at = datetime.now(UTC).timestamp()
        os.kill(service.process.pid, signal.SIGKILL)
        killed.set()
        caller.join()
        service.process.wait(30)

    records = list(TrafficReader(tmp_path).read_all())
    stored = {record.request_id for record in records}
    assert len(stored) == len(records) >= seen
    # Nothing is missing before the last record: only requests of the batch in memory are lost.
    lost = [number for number, request_id in enumerate(answered) if request_id not in stored]
    assert lost == list(range(len(answered) - len(lost), len(answered)))
    assert max(record.time.timestamp() for record in records) <= at + 1
    for path in segment_paths(segments_folder(tmp_path)):
        assert all(frame.body for frame in read_frames(path))

    with service_process(tmp_path, DUET_CAPTURE_SHARE="1") as service:
        httpx.post(f"{service.url}/predict", content=gray_png(0), headers={"content-type": "image/png"})
        service.terminate()
        assert service.wait() == 0
    assert len(list(TrafficReader(tmp_path).read_all())) == len(records) + 1
    assert len(segment_paths(segments_folder(tmp_path))) >= 2  # the torn segment is not extended


@pytest.mark.full
def test_two_processes_write_their_own_segments(tmp_path: Path) -> None:
    write_home(tmp_path)
    png = {"content-type": "image/png"}
    with service_process(tmp_path, DUET_CAPTURE_SHARE="1", DUET_WORKERS="2", DUET_THREADS="1") as service:
        answered = []
        for number in range(60):  # new connections, which the kernel distributes over the processes
            response = httpx.post(f"{service.url}/predict", content=gray_png(number), headers=png)
            answered.append(response.json()["request_id"])
        service.terminate()
        assert service.wait() == 0

    records = list(TrafficReader(tmp_path).read_all())
    assert sorted(record.request_id for record in records) == sorted(answered)
    assert len({path.name.rsplit("-", 2)[1] for path in segment_paths(segments_folder(tmp_path))}) == 2
    assert [record.time for record in records] == sorted(record.time for record in records)


@pytest.mark.slow
def test_start_message_names_capture(tmp_path: Path) -> None:
    write_home(tmp_path)
    with service_process(tmp_path, DUET_CAPTURE_SHARE="0.1") as service:
        assert httpx.get(f"{service.url}/readyz").json()["capture"]["share"] == 0.1
        assert psutil.Process(service.process.pid).is_running()
        service.terminate()
        service.wait()
        assert service.process.stdout is not None
        assert "Capturing 0.1 of the answered requests" in service.process.stdout.read()
