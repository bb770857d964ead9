"""Predictions at half of what the service can do, alone and while explanations are asked for flat out.

The explanations come from a process of their own, so that no client waits for another:

    python -m benchmarks.saliency.crowd --port 8000 --family cnn --seconds 3
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.serving.closed_loop import python_load
from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.machine import pinned
from benchmarks.serving.messages import Answer, raw_request
from benchmarks.serving.open_loop import Outcome, open_load, poisson_arrivals
from benchmarks.serving.pictures import drawn_pictures
from benchmarks.serving.processes import ROOT
from benchmarks.serving.spread import percentile

METHODS = ("saliency", "integrated_gradients")
EXPLAINED_CLIENTS = 4
_CAPACITY_CLIENTS = 32
_LONGER_SECONDS = 1.5
_REFUSED = 429


@dataclass(frozen=True)
class Crowd:
    """Predictions at half of what the service can do.

    Attributes:
        capacity_per_second: what it can do.
        alone_p99_ms: milliseconds that 99 % of those answered took at most.
        beside_p99_ms: the same while explanations run flat out.
        explained_per_second: explanations answered meanwhile.
        refused: share of the predictions, of both runs, that were answered 429: the machine did other work as well.
    """

    capacity_per_second: float
    alone_p99_ms: float
    beside_p99_ms: float
    explained_per_second: float
    refused: float


def crowd(port: int, family: str, predictions: Sequence[bytes], *, core: int, seconds: float, seed: int) -> Crowd:
    """Measure what the service can do, then half of that alone and beside explanations, each for `seconds`.

    Args:
        port: of the service.
        family: whose champion explains.
        predictions: requests, sent in turn.
        core: where the explanations' clients run.
        seconds: of each measurement.
        seed: of the times at which predictions are asked for, the same with and without explanations.

    Raises:
        BenchmarkError: an answer is missing, or neither 2xx nor 429; or every prediction of a run was refused.
    """
    capacity = python_load(port, predictions, clients=_CAPACITY_CLIENTS, seconds=seconds).per_second
    alone = _half_load(port, predictions, capacity / 2, seconds, seed)
    lasting = seconds + _LONGER_SECONDS
    command = [sys.executable, "-m", "benchmarks.saliency.crowd", "--port", str(port), "--family", family]
    with pinned({core}):
        asking = subprocess.Popen([*command, "--seconds", str(lasting)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert asking.stdout is not None
        asking.stdout.readline()  # it is about to begin
        beside = _half_load(port, predictions, capacity / 2, seconds, seed)
        answer, _ = asking.communicate(timeout=lasting + 30)
    finally:
        asking.kill()
        asking.wait()
    refused = sum(answer.status == _REFUSED for _, answer in alone + beside) / len(alone + beside)
    return Crowd(capacity, _p99_ms(alone), _p99_ms(beside), json.loads(answer), refused)


def _half_load(
    port: int, requests: Sequence[bytes], per_second: float, seconds: float, seed: int
) -> list[tuple[Outcome, Answer]]:
    run = open_load(port, requests, poisson_arrivals(per_second, seconds, seed=seed), watch=lambda: 0.0)
    answered = [(outcome, outcome.answer) for outcome in run.outcomes if outcome.answer is not None]
    failed = [outcome for outcome in run.outcomes if outcome.answer is None]
    failed += [outcome for outcome, answer in answered if not (answer.ok or answer.status == _REFUSED)]
    if failed:
        raise BenchmarkError(f"{len(failed)} of {len(run.outcomes)} predictions failed: {failed[0]}")
    return answered


def _p99_ms(answered: Sequence[tuple[Outcome, Answer]]) -> float:
    lasted = [1000 * (outcome.ended - outcome.due) for outcome, answer in answered if answer.ok]
    if not lasted:
        raise BenchmarkError("every prediction was refused: the machine is too busy to measure anything")
    return percentile(lasted, 99)


def main() -> None:
    """Ask for explanations flat out and print how many were answered per second."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--family", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    arguments = parser.parse_args()
    pngs = drawn_pictures(16, height=32, width=32).pngs
    paths = [f"/saliency?model={arguments.family}&method={method}" for method in METHODS]
    requests = [raw_request(path, png) for png in pngs for path in paths]
    print("ready", flush=True)
    load = python_load(arguments.port, requests, clients=EXPLAINED_CLIENTS, seconds=arguments.seconds)
    if load.errors:
        raise SystemExit(f"{load.errors} explanations failed")
    print(json.dumps(load.per_second))


if __name__ == "__main__":
    main()
