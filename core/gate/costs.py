"""What a version costs to serve, relative to another."""

from __future__ import annotations

from dataclasses import dataclass

from core.gate.holdout import Evidence
from core.gate.latency import Latency, measure_latency


@dataclass(frozen=True)
class Costs:
    """Latency on one thread, and the bytes of the graph with its weights."""

    latency: Latency
    candidate_bytes: int
    champion_bytes: int

    @property
    def size_ratio(self) -> float:
        """The candidate's size over the champion's."""
        return self.candidate_bytes / max(1, self.champion_bytes)


def measure_costs(candidate: Evidence, champion: Evidence) -> Costs:
    """Measure the latency of both, and add up the files; takes less than a second unless the machine is busy.

    Raises:
        CorruptVersionError: a graph does not open or run.
    """
    return Costs(measure_latency(candidate, champion), candidate.served_bytes, champion.served_bytes)
