"""Metrics of the home: free disk space, stored bytes against their quotas, and promotions of champions.

They are the same for all processes that share the home. Queries take their `max`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from core.repository.alias_files import Promotion

StoredKind = Literal["datasets", "results", "traffic"]
MAX_AGE_SECONDS = 300.0
"""Age from which figures are not exported: the file system of the home does not respond."""


@dataclass(frozen=True)
class HomeFigures:
    """Figures of the home, in bytes.

    Attributes:
        free, size: of the file system.
        reserved: free space that uploads and jobs leave.
        stored: size of what is stored, by kind.
        quotas: limit of each kind.
        datasets: number of data sets.
        trail: the audit trail of the home, oldest entry first.
    """

    free: int
    size: int
    reserved: int
    stored: Mapping[StoredKind, int]
    quotas: Mapping[StoredKind, int]
    datasets: int
    trail: Sequence[Promotion]


class HomeMetrics(Collector):
    """Collector of the latest figures; without recent ones, it has no samples."""

    def __init__(self) -> None:
        self._figures: HomeFigures | None = None
        self._at = 0.0

    def show(self, figures: HomeFigures | None) -> None:
        """Replace the figures, from any thread; None if they cannot be measured."""
        self._figures, self._at = figures, time.monotonic()

    def collect(self) -> Iterable[Metric]:
        """The metric families."""
        figures = self._figures if time.monotonic() - self._at <= MAX_AGE_SECONDS else None
        found = () if figures is None else (figures,)
        return *_disk(found), *_stored(found), *_promotions(found)


def _disk(found: Iterable[HomeFigures]) -> Iterable[Metric]:
    free = GaugeMetricFamily("duet_home_free_bytes", "Free space on the file system of the home")
    size = GaugeMetricFamily("duet_home_size_bytes", "Size of the file system of the home")
    reserved = GaugeMetricFamily(
        "duet_home_reserved_bytes", "Free space below which jobs and uploads are refused (DUET_JOB_FREE_MIB)"
    )
    for figures in found:
        free.add_metric((), figures.free)
        size.add_metric((), figures.size)
        reserved.add_metric((), figures.reserved)
    return free, size, reserved


def _stored(found: Iterable[HomeFigures]) -> Iterable[Metric]:
    stored = GaugeMetricFamily(
        "duet_stored_bytes",
        "Stored bytes by kind: datasets, results of batch predictions, captured traffic",
        labels=("kind",),
    )
    quota = GaugeMetricFamily(
        "duet_quota_bytes",
        "Limit of the stored bytes by kind; beyond it, uploads and batch predictions are refused, and the oldest "
        "captured traffic is removed",
        labels=("kind",),
    )
    datasets = GaugeMetricFamily("duet_datasets", "Number of data sets, without CIFAR-10")
    for figures in found:
        datasets.add_metric((), figures.datasets)
        for kind, used in figures.stored.items():
            stored.add_metric((kind,), used)
            quota.add_metric((kind,), figures.quotas[kind])
    return stored, quota, datasets


def _promotions(found: Iterable[HomeFigures]) -> Iterable[Metric]:
    moves = CounterMetricFamily(
        "duet_promotions",
        "Changes of champions in the audit trail of the home; action is promote, rollback or archive",
        labels=("model", "action"),
    )
    times = GaugeMetricFamily(
        "duet_promotion_timestamp_seconds", "Time of the last change of a champion, since the epoch", labels=("model",)
    )
    for figures in found:
        changes = [entry for entry in figures.trail if entry.action != "delete"]
        for (family, action), count in sorted(Counter((entry.family, entry.action) for entry in changes).items()):
            moves.add_metric((family, action), count)
        for family, entry in {entry.family: entry for entry in changes}.items():
            times.add_metric((family,), entry.at.timestamp())
    return moves, times
