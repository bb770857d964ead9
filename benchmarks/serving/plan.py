"""What one run measures: the options of the command line, made into a list of cells and parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar, get_args

from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.results import BODIES, PRECISIONS, TARGETS, Body, Cell, TargetName
from benchmarks.serving.targets import BODIES_OF
from core.repository.manifest import Precision

Part = Literal["load", "overload", "workers", "start", "memory"]
PARTS: tuple[Part, ...] = get_args(Part)
CLIENTS = (1, 8, 32, 64, 256)
MAX_CLIENTS = 1024
T = TypeVar("T", bound=str)


@dataclass(frozen=True)
class Plan:
    """What to measure. `seconds` is the length of one measurement, `starts` how often the process is started."""

    models: Path
    family: str = "cnn"
    targets: tuple[TargetName, ...] = TARGETS
    parts: tuple[Part, ...] = PARTS
    clients: tuple[int, ...] = CLIENTS
    precisions: tuple[Precision, ...] = PRECISIONS
    bodies: tuple[Body, ...] = BODIES
    rounds: int = 3
    seconds: float = 5.0
    warm_up_seconds: float = 1.0
    raw_seconds: float = 1.5
    overload_seconds: float = 12.0
    overload_factor: float = 5.0
    starts: int = 5

    def only(self, names: Sequence[str]) -> Plan:
        """Keep the targets and parts that are named. Targets alone mean their closed loop; parts alone, all targets.

        Raises:
            BenchmarkError: a name is neither.
        """
        unknown = [name for name in names if name not in (*TARGETS, *PARTS)]
        if unknown:
            raise BenchmarkError(
                f"--only {', '.join(unknown)}: the targets are {', '.join(TARGETS)}, the parts {', '.join(PARTS)}"
            )
        targets = tuple(target for target in TARGETS if target in names)
        parts = tuple(part for part in PARTS if part in names)
        if not names:
            return self
        return replace(self, targets=targets or self.targets, parts=parts or ("load",))

    def quick(self) -> Plan:
        """The same in seconds rather than minutes: every path is taken, and no figure is worth much."""
        return replace(
            self,
            clients=tuple(clients for clients in self.clients if clients <= 32) or self.clients,
            rounds=1,
            seconds=1.0,
            warm_up_seconds=0.2,
            raw_seconds=0.3,
            overload_seconds=2.0,
            starts=1,
        )

    def groups(self, round_: int) -> list[tuple[Precision, int, list[Cell]]]:
        """The cells of a round, by precision and number of clients: each group is compared with one raw speed.

        Another target begins each round, so that none always comes first after the raw speed.
        """
        return [
            (precision, clients, _rotated(self._cells(precision, clients), round_))
            for precision in self.precisions
            for clients in self.clients
        ]

    def _cells(self, precision: Precision, clients: int) -> list[Cell]:
        return [
            Cell(target, body, precision, clients)
            for target in self.targets
            for body in BODIES_OF[target]
            if body in self.bodies
        ]


def _rotated(cells: list[Cell], by: int) -> list[Cell]:
    start = by % len(cells) if cells else 0
    return cells[start:] + cells[:start]


def split(text: str) -> list[str]:
    """The names in a list with commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def choose(option: str, names: Sequence[str], known: tuple[T, ...]) -> tuple[T, ...]:
    """Those of `known` that are named, in its order; all where none is named.

    Raises:
        BenchmarkError: a name is not known.
    """
    unknown = [name for name in names if name not in known]
    if unknown:
        raise BenchmarkError(f"{option} {', '.join(unknown)}: choose from {', '.join(known)}")
    return tuple(one for one in known if one in names) or known


def client_count(text: str) -> int:
    """A number of clients, bounded so that the load stays one.

    Raises:
        BenchmarkError: it is not a number from 1 to 1,024.
    """
    if not text.isdecimal() or not 1 <= int(text) <= MAX_CLIENTS:
        raise BenchmarkError(f"--clients {text}: give whole numbers from 1 to {MAX_CLIENTS}, such as 1,32")
    return int(text)
