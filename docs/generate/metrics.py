"""Generator of docs/metrics.md: all Prometheus metrics of the registry."""

from __future__ import annotations

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from service.observability.metrics import Metrics

_HEAD = """# Metrics

Prometheus metrics at `GET /metrics`. With several API workers, the values cover all workers of the machine. A
histogram `NAME` has the series `NAME_bucket` with the label `le`, `NAME_sum` and `NAME_count`. Times are in seconds.
Model labels are empty for requests without a model. Metrics that start with `process_` exist only with one worker.

All API processes export the same values of jobs, workers, broker, home, champions and live traffic: queries must take
their `max`, not their sum. [monitoring.md](monitoring.md) has rules, alerts and a dashboard.
`python -m docs.generate` writes this page from `service/observability`.

| name | kind | labels | description |
|---|---|---|---|
"""


def page() -> str:
    """Return the page; the `process_` metrics of prometheus_client come last."""
    registry = Metrics("").registry
    families = sorted(registry.collect(), key=lambda family: (family.name.startswith("process_"), family.name))
    return _HEAD + "".join(
        f"| `{family.name}{'_total' * (family.type == 'counter')}` | {family.type} "
        f"| {', '.join(f'`{label}`' for label in labels_of(registry, family))} "
        f"| {family.documentation.rstrip('.')} |\n"
        for family in families
    )


def labels_of(registry: CollectorRegistry, family: Metric) -> tuple[str, ...]:
    """Names of the labels of a family, without `le`."""
    # A family without samples does not show its labels: its collector, or the class of the family, knows them.
    known = family if hasattr(family, "_labelnames") else registry._names_to_collectors.get(family.name)
    labels: tuple[str, ...] = getattr(known, "_labelnames", ())
    return labels
