"""Metrics and labels that PromQL queries name, compared with those that the service exports."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from docs.generate.metrics import labels_of
from service.observability.metrics import Metrics

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTOR = re.compile(r"(?<![\w:])((?:\w+:)?duet_\w+(?::\w+)?|up)(?![\w:])(?:\{([^}]*)\})?")
_GROUPING = re.compile(r"\b(?:by|on) \(([^)]*)\)")
_LABEL = re.compile(r"(\w+) *(?:=~|!~|!=|=)")
_OF_TARGETS = frozenset({"job", "instance"})
"""Labels that Prometheus adds."""


def exported_metrics() -> dict[str, frozenset[str]]:
    """Labels of each series that the service exports, by its name."""
    registry, found = Metrics("").registry, {"up": frozenset[str]()}
    for family in registry.collect():
        labels = frozenset(labels_of(registry, family))
        match family.type:
            case "counter":
                found[f"{family.name}_total"] = labels
            case "histogram":
                found |= {f"{family.name}_{part}": labels for part in ("sum", "count")}
                found[f"{family.name}_bucket"] = labels | {"le"}
            case _:
                found[family.name] = labels
    return found


def recorded_metrics(names: Iterable[str]) -> dict[str, frozenset[str]]:
    """Labels of recorded series, which their names begin with, as in `job_kind:duet_jobs:max`."""
    return {name: frozenset(name.partition(":")[0].split("_")) for name in names}


def metrics_in(query: str) -> set[str]:
    """Names of the metrics in a query."""
    return {name for name, _ in _SELECTOR.findall(_without_strings(query))}


def problems_of(query: str, known: Mapping[str, Collection[str]], *, legend: str = "") -> list[str]:
    """Metrics and labels of a query and its legend that do not exist, as sentences; none if all is well."""
    plain, available, problems = _without_strings(query), set(_OF_TARGETS), []
    selectors = _SELECTOR.findall(plain)
    if not selectors:
        problems.append("the query names no metric of the service")
    for name, matchers in selectors:
        if name not in known:
            problems.append(f"there is no metric {name}")
            continue
        labels = {*known[name], *_OF_TARGETS}
        available |= labels
        problems += [f"{name} has no label {label}" for label in _LABEL.findall(matchers) if label not in labels]
    grouped = [label.strip() for group in _GROUPING.findall(plain) for label in group.split(",")]
    shown = re.findall(r"\{\{(\w+)\}\}", legend)
    return problems + [
        f"no metric of the query has a label {name}" for name in (*grouped, *shown) if name not in available
    ]


def _without_strings(query: str) -> str:
    return _STRING.sub('""', query)
