"""Figures of the switches, from what every client saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.promotion.load import Seen
from benchmarks.serving.spread import percentile

AROUND_SECONDS = 0.5
"""How long after its answer a promotion still counts as under way."""


@dataclass(frozen=True)
class Switch:
    """One promotion or rollback; times are on the clock of `time.perf_counter`."""

    action: str
    version: int
    asked: float
    answered: float
    served: bool


@dataclass(frozen=True)
class Results:
    """What the clients saw while champions changed.

    Attributes:
        workers: API processes.
        clients: requests at a time.
        seen: every request, by the time it was sent.
        switches: in order.
    """

    workers: int
    clients: int
    seen: tuple[Seen, ...]
    switches: tuple[Switch, ...]

    @property
    def problems(self) -> list[str]:
        """What was wrong with each request that failed."""
        return [one.problem for one in self.seen if one.problem is not None]

    @property
    def versions(self) -> set[int]:
        """Who answered."""
        return {one.version for one in self.seen if one.version is not None}

    def followed_ms(self, place: int) -> float:
        """How long after the answer to a switch a request was still sent that another version answered."""
        switch = self.switches[place]
        end = self.switches[place + 1].asked if place + 1 < len(self.switches) else float("inf")
        others = [
            one.sent
            for one in self.seen
            if switch.answered < one.sent and one.done < end and one.version not in (None, switch.version)
        ]
        return 1000 * (max(others) - switch.answered) if others else 0.0

    def latency_ms(self, percent: float, *, switching: bool) -> float:
        """Percentile over the requests that ran while a champion changed, or over the others."""
        chosen = [1000 * (one.done - one.sent) for one in self.seen if self._switching(one) is switching]
        return percentile(chosen, percent)

    def _switching(self, one: Seen) -> bool:
        return any(one.done > each.asked and one.sent < each.answered + AROUND_SECONDS for each in self.switches)


def by_time(seen: Sequence[Seen]) -> tuple[Seen, ...]:
    """In the order they were sent."""
    return tuple(sorted(seen, key=lambda one: one.sent))
