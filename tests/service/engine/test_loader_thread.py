"""Loader thread: order, errors, and a call that never ends."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError

import pytest

from service.engine.loader_thread import LoaderThread


def test_calls_run_one_after_the_other() -> None:
    loader, order = LoaderThread(60), list[int]()
    futures = [loader.submit(order.append, number) for number in range(20)]
    assert [future.result(10) for future in futures] == [None] * 20
    assert order == list(range(20))
    with pytest.raises(ZeroDivisionError):
        loader.submit(lambda: 1 // 0).result(10)
    loader.shutdown()


def test_endless_call_fails_and_the_next_ones_run() -> None:
    loader, release = LoaderThread(0.2), threading.Event()
    stuck, following = loader.submit(release.wait), loader.submit(lambda: "loaded")
    with pytest.raises(TimeoutError, match=r"no progress for 0\.2 s"):
        stuck.result(10)
    assert following.result(10) == "loaded"
    release.set()
    assert loader.submit(lambda: "again").result(10) == "again"
    loader.shutdown()


def test_slow_call_that_makes_progress_is_not_abandoned() -> None:
    def work() -> str:
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            pass
        return "loaded"

    loader = LoaderThread(0.5)
    assert loader.submit(work).result(30) == "loaded"
    loader.shutdown()


def test_shutdown_cancels_queued_calls() -> None:
    loader, begun, release = LoaderThread(60), threading.Event(), threading.Event()

    def load() -> str:
        begun.set()
        release.wait()
        return "done"

    running = loader.submit(load)
    begun.wait(10)
    waiting = loader.submit(lambda: "never")
    threading.Timer(0.1, release.set).start()
    loader.shutdown(cancel_futures=True)
    assert running.result(0) == "done"
    with pytest.raises(CancelledError):
        waiting.result(0)


def test_process_ends_with_an_endless_call() -> None:
    program = """
import time
from service.engine import loader_thread
loader_thread.CLOSE_SECONDS = 0.2
loader = loader_thread.LoaderThread(3600)
loader.submit(time.sleep, 3600)
time.sleep(0.2)
loader.shutdown(cancel_futures=True)
"""
    subprocess.run([sys.executable, "-c", program], timeout=60, check=True)
