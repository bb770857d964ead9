"""Real child processes for tests of files under kills and concurrent access.

A fork server starts them: it has no threads, and its imports are shared.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkServerProcess
from types import FrameType, ModuleType
from typing import Any

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    ["pytest", "core.repository.publishing", "core.repository.champions", "tests.support.versions"]
)
_JOIN_S = 120.0


def killed_at(step: int, modules: Sequence[ModuleType], target: Callable[..., None], *args: Any) -> bool:
    """Run `target(*args)` in a child that kills itself before the `step`-th line it executes in `modules`.

    True if it was killed, False if it finished in fewer steps; it must not fail in any other way.
    """
    files = frozenset(str(module.__file__) for module in modules)
    child = _CONTEXT.Process(target=_run_traced, args=(step, files, target, args))
    child.start()
    exit_code = _join(child)
    assert exit_code in (0, -signal.SIGKILL), f"the child failed with exit code {exit_code}"
    return exit_code != 0


def run_together(target: Callable[..., None], arguments: Sequence[tuple[Any, ...]]) -> None:
    """Run `target` in one child for each tuple of arguments, all let go at once; each must succeed."""
    barrier = _CONTEXT.Barrier(len(arguments))
    children = [_CONTEXT.Process(target=_run_released, args=(barrier, target, each)) for each in arguments]
    for child in children:
        child.start()
    assert [_join(child) for child in children] == [0] * len(children)


def _join(child: ForkServerProcess) -> int | None:
    child.join(_JOIN_S)
    if child.exitcode is None:
        child.kill()
        child.join()
    exit_code = child.exitcode
    child.close()
    return exit_code


def _run_traced(step: int, files: frozenset[str], target: Callable[..., None], args: tuple[Any, ...]) -> None:
    executed = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal executed
        if frame.f_code.co_filename not in files:
            return None
        if event == "line":
            executed += 1
            if executed == step:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    target(*args)
    sys.settrace(None)


def _run_released(barrier: Any, target: Callable[..., None], args: tuple[Any, ...]) -> None:
    barrier.wait(_JOIN_S)
    target(*args)
