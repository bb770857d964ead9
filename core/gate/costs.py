"""Serving costs of a candidate relative to the champion: latency and size."""

from __future__ import annotations

from dataclasses import dataclass

from core.gate.holdout import Evidence
from core.gate.latency import Latency, measure_latency


@dataclass(frozen=True)
class Costs:
    """Latency on one thread, and size of the graph and its weights."""

    latency: Latency
    candidate_bytes: int
    champion_bytes: int

    @property
    def size_ratio(self) -> float:
        """Size of the candidate divided by that of the champion."""
        return self.candidate_bytes / max(1, self.champion_bytes)


def measure_costs(candidate: Evidence, champion: Evidence) -> Costs:
    """Measure latency and size of both versions; takes less than a second on an idle machine.

    Raises:
        CorruptVersionError: a graph cannot be loaded or run.
    """
    return Costs(measure_latency(candidate, champion), candidate.served_bytes, champion.served_bytes)
