"""What every part of a run needs: the plan, the model, the pictures, the cores, the generator and the console."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from benchmarks.serving.closed_loop import python_load
from benchmarks.serving.headroom import ClosedLoop, require_headroom
from benchmarks.serving.machine import Cores
from benchmarks.serving.model import Model
from benchmarks.serving.pictures import Pictures
from benchmarks.serving.plan import Plan
from benchmarks.serving.processes import ServerProcess, cpu_seconds
from benchmarks.serving.results import Load


@dataclass
class Bench:
    """One run's parts, and what it left out."""

    plan: Plan
    model: Model
    pictures: Pictures
    cores: Cores
    closed_loop: ClosedLoop
    generator_per_second: float
    folder: Path
    console: Console
    left_out: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """One line of progress."""
        self.console.print(text, highlight=False, markup=False)

    def leave_out(self, what: str, reason: object) -> None:
        """Remember and say that something is not measured; once for each reason."""
        line = f"{what}: {reason}"
        if line not in self.left_out:
            self.left_out.append(line)
            self.say(f"left out: {line}")

    def measured(
        self, server: ServerProcess, requests: list[bytes], *, clients: int, seconds: float
    ) -> tuple[Load, float]:
        """Warm a server up and load it: what its clients saw, and its CPU time over the wall time.

        Raises:
            LeftOutError: the generator may have been the limit.
        """
        if self.plan.warm_up_seconds > 0:
            python_load(server.port, requests, clients=clients, seconds=self.plan.warm_up_seconds)
        before = cpu_seconds(server.pids())
        load = self.closed_loop(server.port, requests, clients=clients, seconds=seconds)
        server_cpu = (cpu_seconds(server.pids()) - before) / load.seconds
        server.require_alive()
        require_headroom(load, self.generator_per_second)
        return load, server_cpu
