"""Generator of deploy/grafana/duet.json, the Grafana dashboard of the service."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Literal

from docs.generate.dashboard_panels import ROWS, Panel

_COLUMNS = 24
_SIZES: dict[Literal["stat", "timeseries", "table"], tuple[int, int]] = {
    "stat": (4, 4),
    "timeseries": (8, 8),
    "table": (12, 7),
}
"""Width and height of each type of panel in the units of Grafana's grid."""
_HIDE_TIME = {"id": "organize", "options": {"excludeByName": {"Time": True, "Value": True}}}
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


def page() -> str:
    """Return the file."""
    return json.dumps(_dashboard(), indent=1, ensure_ascii=False) + "\n"


def queries() -> list[str]:
    """PromQL of all panels, with the variables of the dashboard."""
    return [query for _, panels in ROWS for panel in panels for query in panel.queries.values()]


def _dashboard() -> dict[str, Any]:
    return {
        "title": "Duet",
        "uid": "duet",
        "tags": ["duet"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [_datasource_variable(), _job_variable()]},
        "panels": list(_panels()),
    }


def _datasource_variable() -> dict[str, Any]:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _job_variable() -> dict[str, Any]:
    query = "label_values(duet_build_info, job)"
    return {
        "name": "job",
        "label": "Installation",
        "type": "query",
        "datasource": _DATASOURCE,
        "definition": query,
        "query": {"query": query, "refId": "job"},
        "refresh": 2,
    }


def _panels() -> Iterable[dict[str, Any]]:
    """Rows with their panels from left to right; each row of the grid is as high as its first panel."""
    number, top = 0, 0
    for title, panels in ROWS:
        number += 1
        yield {"id": number, "type": "row", "title": title, "gridPos": _position(0, top, _COLUMNS, 1), "panels": []}
        left, top, height = 0, top + 1, 0
        for panel in panels:
            number += 1
            width, own_height = _SIZES[panel.kind]
            if left + width > _COLUMNS or (height and own_height != height):
                left, top = 0, top + height
            height = own_height
            yield _panel(number, panel, _position(left, top, width, height))
            left += width
        top += height


def _position(left: int, top: int, width: int, height: int) -> dict[str, int]:
    return {"x": left, "y": top, "w": width, "h": height}


def _panel(number: int, panel: Panel, position: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _DATASOURCE,
        "gridPos": position,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0} | _thresholds(panel), "overrides": []},
        "options": _options(panel),
        "targets": _targets(panel),
        "transformations": [_HIDE_TIME] if panel.kind == "table" else [],
    }


def _thresholds(panel: Panel) -> dict[str, Any]:
    """Red from the value at which the alert of the same figure fires."""
    if panel.red_from is None:
        return {}
    steps = [{"color": "green", "value": None}, {"color": "red", "value": panel.red_from}]
    return {"thresholds": {"mode": "absolute", "steps": steps}}


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "stat":
        return {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value" if panel.red_from else "none"}
    if panel.kind == "timeseries":
        return {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
    return {}


def _targets(panel: Panel) -> list[dict[str, Any]]:
    return [
        {
            "refId": chr(ord("A") + index),
            "datasource": _DATASOURCE,
            "expr": query,
            "legendFormat": legend,
            **({"instant": True, "format": "table"} if panel.kind == "table" else {}),
        }
        for index, (legend, query) in enumerate(panel.queries.items())
    ]
