"""The closed loop over all cells, in interleaved rounds, each group beside onnxruntime's own speed."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.serving.bench import Bench
from benchmarks.serving.errors import LeftOutError
from benchmarks.serving.raw import raw_speed
from benchmarks.serving.results import Cell, RawSpeed, Sample
from benchmarks.serving.targets import Targets


def closed_loop_rounds(bench: Bench, targets: Targets) -> Iterator[Sample]:
    """Measure every cell of the plan once per round.

    Within a round, cells that are compared with each other follow each other, and the raw speed that they are
    compared with is measured just before them, with all servers idle: what the machine does otherwise changes over
    minutes, and a ratio of figures taken far apart would show that instead.
    """
    for round_ in range(bench.plan.rounds):
        for precision, _, cells in bench.plan.groups(round_):
            if not bench.model.has(precision):
                bench.leave_out(precision, f"{bench.model.manifest.reference} has no {precision} graph")
                continue
            # Servers that are still to start would otherwise do so between the raw speed and its cells.
            ready = [cell for cell in cells if _is_served(bench, targets, cell)]
            if not ready:
                continue
            raw = raw_speed(bench.model.graph(precision), core=bench.cores.server, seconds=bench.plan.raw_seconds)
            bench.say(
                f"round {round_ + 1}  onnxruntime {precision}: batch 1 {raw.batch_1_ms:.2f} ms, "
                f"batch 32 {raw.batch_32_images_per_second:.0f} images/s, {raw.core_share:.0%} of the core"
            )
            for cell in ready:
                sample = _sample(bench, targets, cell, round_, raw)
                if sample is not None:
                    yield sample


def _is_served(bench: Bench, targets: Targets, cell: Cell) -> bool:
    try:
        targets.serving(cell.target, cell.body, cell.precision)
    except LeftOutError as reason:
        bench.leave_out(f"{cell.target} {cell.precision}", reason)
        return False
    return True


def _sample(bench: Bench, targets: Targets, cell: Cell, round_: int, raw: RawSpeed) -> Sample | None:
    server, requests = targets.serving(cell.target, cell.body, cell.precision)
    try:
        load, server_cpu = bench.measured(server, requests, clients=cell.clients, seconds=bench.plan.seconds)
    except LeftOutError as reason:
        bench.leave_out(str(cell), reason)
        return None
    bench.say(
        f"round {round_ + 1}  {cell!s:40} {load.per_second:7.0f}/s "
        f"({load.per_second / raw.batch_32_images_per_second:.2f})  p50 {load.p50_ms:.2f} ms "
        f"({load.p50_ms / raw.batch_1_ms:.2f})  p99 {load.p99_ms:.2f} ms  errors {load.errors}  core {server_cpu:.0%}"
    )
    return Sample(cell, round_, load, raw, server_cpu)
