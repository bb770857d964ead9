"""Reference speeds: onnxruntime and captum on one thread, in a child process on the core of the servers.

A new process for each measurement opens the graph with fresh memory, as a server does.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.common.inputs import CPU, Engine
from core.repository.manifest import GRADIENT_GRAPH, read_manifest
from core.repository.onnx_session import open_session

Kind = Literal["forward", "gradient", "captum", "captum bf16"]
_MIN_CALLS, _WARM_UP_CALLS = 3, 2
_TARGET = 0


@dataclass(frozen=True)
class Timing:
    """Wall seconds of each call, and CPU seconds of all of them."""

    seconds: list[float]
    cpu_seconds: float

    @property
    def median_ms(self) -> float:
        """Median time of a call in milliseconds."""
        return 1000 * statistics.median(self.seconds)


def measure_reference(
    kind: Kind, version: Path, *, core: int, seconds: float, images: int = 1, engine: Engine = CPU
) -> Timing:
    """Time a reference of the model version in this folder on `core`, for about `seconds`.

    Kinds are `forward` (the graph run by `engine` on a batch of `images`), `gradient` (the gradient graph on such a
    batch), and `captum` (integrated gradients of one image in `images` steps by torch, in fp32 or autocast to bf16).
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, os.sched_setaffinity, (0, {core})) as child:
        return child.submit(_measure, kind, version, seconds, images, engine).result()


def time_calls(call: Callable[[], object], seconds: float) -> Timing:
    """Time `call` for about `seconds`, at least three times, after two calls to warm up."""
    for _ in range(_WARM_UP_CALLS):
        call()
    taken: list[float] = []
    cpu, end = time.process_time(), time.perf_counter() + seconds
    while len(taken) < _MIN_CALLS or time.perf_counter() < end:
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return Timing(taken, time.process_time() - cpu)


def _measure(kind: Kind, version: Path, seconds: float, images: int, engine: Engine) -> Timing:
    if kind in ("captum", "captum bf16"):
        return time_calls(_captum(version, images, is_bf16=kind == "captum bf16"), seconds)
    session = open_session(version / GRADIENT_GRAPH, threads=1) if kind == "gradient" else engine.open(version)
    height, width = session.get_inputs()[0].shape[1:3]
    pixels_NHWC = np.random.default_rng(0).integers(0, 256, (images, height, width, 3), np.uint8)
    output, feed = "logits", {"images": pixels_NHWC}
    if kind == "gradient":
        target_NK = np.zeros((images, session.get_inputs()[1].shape[1]), np.float32)
        target_NK[:, _TARGET] = 1
        output, feed = "gradient", {"pixels": pixels_NHWC.astype(np.float32) / 255, "target": target_NK}
    return time_calls(lambda: session.run([output], feed), seconds)


def _captum(version: Path, steps: int, *, is_bf16: bool) -> Callable[[], object]:
    """Integrated gradients by captum with its defaults: all steps in one batch."""
    import torch
    from captum.attr import IntegratedGradients

    from training.export.weights import stored_classifier

    torch.set_num_threads(1)
    manifest = read_manifest(version)
    method = IntegratedGradients(stored_classifier(manifest, version).eval().requires_grad_(False))
    pixels_NHWC = torch.rand(1, manifest.input.height, manifest.input.width, 3)

    def attribute() -> object:
        with torch.autocast("cpu", torch.bfloat16, enabled=is_bf16):
            return method.attribute(pixels_NHWC, torch.zeros_like(pixels_NHWC), target=_TARGET, n_steps=steps)

    return attribute
