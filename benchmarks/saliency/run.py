"""The rounds: everything that is compared with each other is measured once in each, one after the other."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from rich.console import Console

from benchmarks.saliency.bare import BATCH, STEPS
from benchmarks.saliency.child import Child, child
from benchmarks.saliency.crowd import Crowd, crowd
from benchmarks.saliency.served import request_times, triton_times
from benchmarks.serving.machine import Cores, pick_cores, pinned
from benchmarks.serving.messages import raw_request
from benchmarks.serving.model import Model, find_model
from benchmarks.serving.pictures import Pictures, drawn_pictures
from benchmarks.serving.targets import start_target, wait_until_ready

PARTS = ("picture", "path", "crowd", "triton")
_PICTURES = 64


@dataclass(frozen=True)
class Plan:
    """What is measured: `parts` of PARTS, for `seconds` per measurement (those of a crowd four times as long)."""

    models: Path
    family: str
    parts: tuple[str, ...]
    rounds: int
    seconds: float


@dataclass
class Results:
    """Every round's seconds per run by name, and every round's crowd."""

    reference: str
    times: list[Mapping[str, list[float]]] = field(default_factory=list)
    crowds: list[Crowd] = field(default_factory=list)


@dataclass(frozen=True)
class Bench:
    """What measurements need."""

    model: Model
    pictures: Pictures
    port: int
    bare: Child
    cores: Cores
    plan: Plan

    def served(self, query: str) -> list[float]:
        """Seconds per explanation that was asked for with this query."""
        path = f"/saliency?model={self.plan.family}&{query}"
        return request_times(self.port, [raw_request(path, png) for png in self.pictures.pngs], self.plan.seconds)


_MEASURED: Mapping[str, tuple[str, Callable[[Bench], list[float]]]] = MappingProxyType(
    {
        "forward": ("picture", lambda bench: bench.bare.times("forward", bench.plan.seconds)),
        "gradient": ("picture", lambda bench: bench.bare.times("gradient", bench.plan.seconds)),
        "served picture": ("picture", lambda bench: bench.served("method=saliency&format=png")),
        "captum": ("path", lambda bench: bench.bare.times("captum", bench.plan.seconds)),
        "path": ("path", lambda bench: bench.bare.times("path", bench.plan.seconds)),
        "served path": (
            "path",
            lambda bench: bench.served(f"method=integrated_gradients&steps={STEPS}&format=npy"),
        ),
        "batch": ("triton", lambda bench: bench.bare.times("batch", bench.plan.seconds)),
        "triton": (
            "triton",
            lambda bench: triton_times(bench.port, bench.plan.family, bench.pictures.images_NHWC, bench.plan.seconds),
        ),
    }
)


def run(plan: Plan, console: Console) -> Results:
    """Measure everything that the plan asks for; the service and the references on one core, the load on another.

    Raises:
        BenchmarkError: there are not two cores, no such model, or something does not answer.
    """
    cores, model = pick_cores(), find_model(plan.family, plan.models)
    size = model.manifest.input
    pictures = drawn_pictures(_PICTURES, height=size.height, width=size.width)
    results = Results(model.manifest.reference)
    with (
        tempfile.TemporaryDirectory(prefix="duet-bench-") as folder,
        start_target("duet", "fp32", model, cores={cores.server}, folder=Path(folder)) as server,
        child(model.folder, core=cores.server) as bare,
        pinned({cores.load}),
    ):
        predictions = [raw_request(f"/predict?model={plan.family}", png) for png in pictures.pngs]
        wait_until_ready(server, predictions[0])
        bench = Bench(model, pictures, server.port, bare, cores, plan)
        for number in range(plan.rounds):
            results.times.append(_round(bench, number))
            if "crowd" in plan.parts:
                results.crowds.append(
                    crowd(
                        server.port,
                        plan.family,
                        predictions,
                        core=cores.load,
                        seconds=4 * plan.seconds,
                        seed=number,
                    )
                )
            console.print(f"round {number + 1} of {plan.rounds} of {model.manifest.reference}, batches of {BATCH}")
    return results


def _round(bench: Bench, number: int) -> dict[str, list[float]]:
    """One measurement of each; another one comes first in each round."""
    names = [name for name, (part, _) in _MEASURED.items() if part in bench.plan.parts]
    turn = number % max(1, len(names))
    return {name: _MEASURED[name][1](bench) for name in (*names[turn:], *names[:turn])}
