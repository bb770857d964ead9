"""docs/metrics.md: every figure that Prometheus is told, from the registry itself."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from service.observability.metrics import Metrics

_HEAD = """# Metrics

What `GET /metrics` tells Prometheus, of this process or, with several API workers, of all of them on the machine
together. A histogram `NAME` is told as `NAME_bucket` with the label `le`, `NAME_sum` and `NAME_count`. Times are in
seconds; labels without a value stand for requests of no model. What begins with `process_` is told where one worker
runs. `python -m docs.generate` writes this page from `service/observability/metrics.py`.

| name | kind | labels | what |
|---|---|---|---|
"""


def page() -> str:
    """The whole page; figures of the process itself, which prometheus_client names, come last."""
    registry = Metrics("").registry
    families = sorted(registry.collect(), key=lambda family: (family.name.startswith("process_"), family.name))
    return _HEAD + "".join(
        f"| `{family.name}{'_total' * (family.type == 'counter')}` | {family.type} "
        f"| {', '.join(f'`{label}`' for label in _labels(registry, family.name))} "
        f"| {family.documentation.rstrip('.')} |\n"
        for family in families
    )


def _labels(registry: CollectorRegistry, name: str) -> tuple[str, ...]:
    # A family without a figure yet does not say what its labels are; the collector that it comes from does.
    labels: tuple[str, ...] = getattr(registry._names_to_collectors.get(name), "_labelnames", ())
    return labels
