"""Saliency benchmark: times of explanations beside their references, and predictions beside explanations."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import numpy as np
import typer

from benchmarks.common import report as reports
from benchmarks.common.http import HOST, raw_request
from benchmarks.common.inputs import Images, Model, find_model
from benchmarks.common.machine import Cores, describe_machine, pick_cores, pinned
from benchmarks.common.open_loop import open_load, poisson_arrivals
from benchmarks.common.reference import Kind, measure_reference, time_calls
from benchmarks.common.report import BenchmarkError, Figures, Goal, append, choose, figure_tables, percentile
from benchmarks.common.server import start_duet
from benchmarks.common.wrk import wrk_load
from core.files.home import shipped_models

PARTS = ("picture", "path", "crowd", "triton")
METHODS = ("saliency", "integrated_gradients")
STEPS = 32
BATCH = 32
_CAPTUM = "integrated gradients, 32 steps, over the faster of torch + captum in fp32 and bf16"
_BESIDE = "p99 of /predict beside explanations, at half load, over without"
_REJECTED = "share of those predictions that was rejected"
_TRITON = "tritonclient infer, batch 32 uint8, images/s over onnxruntime's"
GOALS = (
    Goal("served saliency, PNG, of one image over its fp32 forward time", "<=", 5.0),
    Goal("served picture, ms", "<=", 8.1),
    Goal(f"{_CAPTUM}: *", "<=", 0.6),
    Goal(_BESIDE, "<=", 2.0),
    Goal(_REJECTED, "<=", 0.0),
    Goal(_TRITON, ">=", 0.9),
)
RATIOS = {
    GOALS[0].name: ("served picture", "forward"),
    "the gradient graph alone over the same": ("gradient", "forward"),
    f"{_CAPTUM}: served": ("served path", "faster captum"),
    f"{_CAPTUM}: the graph alone": ("path", "faster captum"),
    _TRITON: ("batch", "triton"),
}
_IMAGES = 64
_CAPACITY_CLIENTS, _EXPLANATION_CLIENTS = 32, 4
_LEAD_SECONDS, _SERVED_SECONDS = 0.5, 3.0


@dataclass(frozen=True)
class BenchmarkSetup:
    """Inputs of the measurements."""

    model: Model
    images: Images
    port: int
    cores: Cores
    seconds: float

    def reference_ms(self, kind: Kind, images: int) -> float:
        """Return the median time of a reference."""
        core = self.cores.server
        return measure_reference(kind, self.model.folder, core=core, seconds=self.seconds, images=images).median_ms

    def served_ms(self, query: str) -> float:
        """Return the median time of an explanation at one client."""
        path = f"/saliency?model={self.model.manifest.family}&{query}"
        requests = [raw_request(path, png) for png in self.images.pngs]
        load = wrk_load(self.port, requests, clients=1, seconds=max(self.seconds, _SERVED_SECONDS))
        if load.errors:
            raise BenchmarkError(f"{load.errors} requests to {path} failed")
        return load.p50_ms

    def triton_ms(self) -> float:
        """Return the median time of a synchronous `infer` by Triton's client, which builds its tensors each time."""
        from tritonclient import http as triton

        batch_NHWC = np.ascontiguousarray(self.images.images_NHWC[:BATCH])
        client = triton.InferenceServerClient(f"{HOST}:{self.port}")

        def infer() -> object:
            images = triton.InferInput("images", list(batch_NHWC.shape), "UINT8")
            images.set_data_from_numpy(batch_NHWC)
            outputs = [triton.InferRequestedOutput("logits")]
            return client.infer(self.model.manifest.family, [images], outputs=outputs).as_numpy("logits")

        try:
            return time_calls(infer, self.seconds).median_ms
        finally:
            client.close()


MEASUREMENTS: Mapping[str, tuple[str, Callable[[BenchmarkSetup], float]]] = MappingProxyType(
    {
        "forward": ("picture", lambda bench: bench.reference_ms("forward", 1)),
        "gradient": ("picture", lambda bench: bench.reference_ms("gradient", 1)),
        "served picture": ("picture", lambda bench: bench.served_ms("method=saliency&format=png")),
        "captum": ("path", lambda bench: bench.reference_ms("captum", STEPS)),
        "captum bf16": ("path", lambda bench: bench.reference_ms("captum bf16", STEPS)),
        "path": ("path", lambda bench: bench.reference_ms("gradient", STEPS)),
        "served path": ("path", lambda bench: bench.served_ms(f"method=integrated_gradients&steps={STEPS}&format=npy")),
        "batch": ("triton", lambda bench: bench.reference_ms("forward", BATCH)),
        "triton": ("triton", BenchmarkSetup.triton_ms),
    }
)


def main(
    only: Annotated[str, typer.Option(help=f"Some of {', '.join(PARTS)}.")] = "",
    rounds: Annotated[int, typer.Option(min=1, max=50, help="Rounds over all measurements.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.05, max=30, help="Length of one measurement.")] = 1.0,
    models: reports.Models = None,
    family: reports.Family = "cnn",
    out: reports.Out = None,
    markdown: reports.Markdown = None,
) -> None:
    """Measure explanations and Triton's client on one core, each against its reference on the same core."""
    parts = choose("--only", only, PARTS)
    model = find_model(family, (models or shipped_models()).absolute())
    head = f"{model.manifest.reference}, one thread. {describe_machine()} {rounds} round(s) of {seconds:g} s."
    cores = pick_cores()
    names = [name for name, (part, _) in MEASUREMENTS.items() if part in parts]
    images = model.draw_images(_IMAGES)
    predictions = [raw_request(f"/predict?model={model.manifest.family}", png) for png in images.pngs]
    figures: Figures = {}
    with (
        tempfile.TemporaryDirectory(prefix="duet-bench-") as folder,
        start_duet(
            Path(folder) / "home", {"DUET_EMBEDDED_BROKER": "0"}, models=model.models, cores=(cores.server,)
        ) as server,
        pinned(cores.load),
    ):
        server.wait_for_answer(predictions[0])
        bench = BenchmarkSetup(model, images, server.port, cores, seconds)
        for number in range(rounds):
            turn = number % max(1, len(names))
            times = {name: MEASUREMENTS[name][1](bench) for name in (*names[turn:], *names[:turn])}
            found = {f"{name}, ms": times[name] for name in names}
            if "crowd" in parts:
                found |= measure_crowd(bench, predictions, seconds=4 * seconds, seed=number)
            found |= ratios(times)
            append(figures, found)
            reports.progress_console().print(f"round {number + 1} of {rounds} of {model.manifest.reference}")
    reports.report(head, figure_tables("Explanations", figures, GOALS), figures, out=out, markdown=markdown)


def ratios(times_ms: Mapping[str, float]) -> dict[str, float]:
    """Return the ratios of the times that were measured."""
    times = dict(times_ms)
    if {"captum", "captum bf16"} <= times.keys():
        times["faster captum"] = min(times["captum"], times["captum bf16"])
    return {
        name: times[over] / times[under] for name, (over, under) in RATIOS.items() if over in times and under in times
    }


def measure_crowd(
    bench: BenchmarkSetup, predictions: Sequence[bytes], *, seconds: float, seed: int
) -> dict[str, float]:
    """Measure the capacity of /predict, then half of that rate alone and beside explanations without a pause.

    The send times are the same alone and beside explanations.
    """
    paths = [f"/saliency?model={bench.model.manifest.family}&method={method}" for method in METHODS]
    explanations = [raw_request(path, png) for png in bench.images.pngs[:16] for path in paths]
    capacity = wrk_load(bench.port, predictions, clients=_CAPACITY_CLIENTS, seconds=seconds).per_second
    alone_ms, alone_rejected = half_load(bench.port, predictions, capacity / 2, seconds, seed)
    with ThreadPoolExecutor(1) as pool:
        lasting = seconds + 2 * _LEAD_SECONDS
        load = pool.submit(wrk_load, bench.port, explanations, clients=_EXPLANATION_CLIENTS, seconds=lasting)
        time.sleep(_LEAD_SECONDS)
        beside_ms, beside_rejected = half_load(bench.port, predictions, capacity / 2, seconds, seed)
    explained = load.result()
    if explained.errors:
        raise BenchmarkError(f"{explained.errors} explanations failed")
    return {
        "predictions/s at capacity": capacity,
        "p99 at half of that, ms": alone_ms,
        "p99 beside explanations, ms": beside_ms,
        "explanations/s meanwhile": explained.per_second,
        _BESIDE: beside_ms / alone_ms,
        _REJECTED: (alone_rejected + beside_rejected) / 2,
    }


def half_load(
    port: int, requests: Sequence[bytes], per_second: float, seconds: float, seed: int
) -> tuple[float, float]:
    """Send predictions at random times; return the p99 of the accepted ones in ms, and the share answered 429."""
    run = open_load(port, requests, poisson_arrivals(per_second, seconds, seed=seed))
    accepted_ms = run.accepted_ms(429)
    return percentile(accepted_ms, 99), 1 - len(accepted_ms) / len(run.outcomes)
