"""Loader thread: runs calls one after the other, and abandons one that makes no progress."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any, ParamSpec, TypeVar

CLOSE_SECONDS = 5.0
"""Time limit for the current call when the process ends."""
_PROGRESS_SECONDS = 0.005
"""CPU time that shows progress, as that of a call on a busy machine."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class LoaderThread(Executor):
    """Executor of one daemon thread.

    Reading from a network file system that hangs cannot be interrupted. A call that uses no CPU time for
    `limit_seconds` fails with TimeoutError and its thread is left alone; another thread takes the next calls. The
    process does not wait for it. Where the CPU time of a thread cannot be read, as on macOS, the
    limit applies to the duration of the whole call.
    """

    def __init__(self, limit_seconds: float) -> None:
        self._limit_seconds = limit_seconds
        self._tasks: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread = self._start()

    def submit(
        self, call: Callable[Parameters, Result], /, *args: Parameters.args, **options: Parameters.kwargs
    ) -> Future[Result]:
        """Queue a call."""
        future: Future[Result] = Future()
        self._tasks.put((future, partial(call, *args, **options)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Stop the thread after its current call, and wait for that at most CLOSE_SECONDS."""
        while cancel_futures:
            try:
                task = self._tasks.get_nowait()
            except queue.Empty:
                break
            if task is not None:
                task[0].cancel()
        self._tasks.put(None)
        if wait:
            self._thread.join(CLOSE_SECONDS)

    def _start(self) -> threading.Thread:
        thread = threading.Thread(target=self._run, name="loader", daemon=True)
        thread.start()
        return thread

    def _run(self) -> None:
        cpu_seconds = _cpu_clock()
        while (task := self._tasks.get()) is not None:
            future, call = task
            if not future.set_running_or_notify_cancel():
                continue
            ended = threading.Event()
            threading.Thread(target=self._watch, args=(future, ended, cpu_seconds), daemon=True).start()
            result, error = None, None
            try:
                result = call()
            except BaseException as raised:
                error = raised
            ended.set()
            with self._lock:
                if future.done():
                    return  # abandoned: another thread runs
                if error is None:
                    future.set_result(result)
                else:
                    future.set_exception(error)
            del task, future, call, result, error  # the thread keeps nothing alive while it waits

    def _watch(self, future: Future[Any], ended: threading.Event, cpu_seconds: Callable[[], float]) -> None:
        """Abandon a call that has used no CPU time since the last look; returns when it has ended."""
        spent = cpu_seconds()
        while not ended.wait(self._limit_seconds):
            before, spent = spent, cpu_seconds()
            if spent - before < _PROGRESS_SECONDS:
                self._abandon(future)
                return

    def _abandon(self, future: Future[Any]) -> None:
        with self._lock:
            if future.done():
                return
            future.set_exception(TimeoutError(f"no progress for {self._limit_seconds:g} s"))
            self._thread = self._start()


def _cpu_clock() -> Callable[[], float]:
    """Clock of the CPU seconds of the calling thread, for other threads; constant if the system has none."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return lambda: 0.0
    return partial(time.clock_gettime, time.pthread_getcpuclockid(threading.get_ident()))
