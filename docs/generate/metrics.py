"""Generator of docs/metrics.md: all Prometheus metrics of the registry."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from service.observability.metrics import Metrics

_HEAD = """# Metrics

Prometheus metrics at `GET /metrics`. With several API workers, the values cover all workers of the machine. A
histogram `NAME` has the series `NAME_bucket` with the label `le`, `NAME_sum` and `NAME_count`. Times are in seconds.
Model labels are empty for requests without a model. Metrics that start with `process_` exist only with one worker.
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
        f"| {', '.join(f'`{label}`' for label in _labels(registry, family.name))} "
        f"| {family.documentation.rstrip('.')} |\n"
        for family in families
    )


def _labels(registry: CollectorRegistry, name: str) -> tuple[str, ...]:
    # A family without samples has no labels; its collector has.
    labels: tuple[str, ...] = getattr(registry._names_to_collectors.get(name), "_labelnames", ())
    return labels
