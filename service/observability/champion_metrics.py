"""Metrics of champions: version, precision and execution provider, refused versions, refused providers."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from service.engine.champion_state import ChampionState


class ChampionMetrics(Collector):
    """Collector that asks for the state of the champions at each scrape."""

    def __init__(self) -> None:
        self.read: Callable[[], Iterable[ChampionState]] = tuple
        """Function that returns the state of each champion."""

    def collect(self) -> Iterable[Metric]:
        """The metric families, with one sample for each champion."""
        info = GaugeMetricFamily(
            "duet_champion_info",
            "1 for each champion; precision and provider are those of requests that name none, and empty while the "
            "version is not loaded",
            labels=("model", "version", "precision", "provider"),
        )
        refused = GaugeMetricFamily(
            "duet_model_refused",
            "1 if the champion could not be loaded, so that the former one or none is served; otherwise 0",
            labels=("model", "version"),
        )
        providers = GaugeMetricFamily(
            "duet_champion_refused_providers",
            "Execution providers that the check refused for a loaded champion, in any precision",
            labels=("model", "version"),
        )
        for state in self.read():
            labels = (state.family, str(state.version))
            info.add_metric((*labels, state.precision or "", state.provider or ""), 1)
            refused.add_metric(labels, state.refused)
            providers.add_metric(labels, len(state.refused_providers))
        return info, refused, providers
