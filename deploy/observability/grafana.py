"""Dashboards in Grafana's JSON from a few words each: rows of panels, and the queries of a panel.

`$ns` in a query stands for the matcher of the chosen namespaces, `$of_job` for that of the chosen
services, `$ours` for all six services there. A panel's place
follows from its row: panels of a row share the width. Ids count from 1 in the order of reading, so that a small change
of a dashboard is a small change of its file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["timeseries", "stat", "table"]
WIDTH = 24
SERVICES = "identity|ingest|sync|commands|alerts|gateway"
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
HEIGHTS: dict[Kind, int] = {"timeseries": 8, "stat": 4, "table": 8}


@dataclass(frozen=True)
class Panel:
    """What is drawn: `queries` maps a legend to PromQL; `limits` are (colour, from this value on)."""

    title: str
    description: str
    unit: str
    queries: dict[str, str]
    kind: Kind = "timeseries"
    limits: tuple[tuple[str, float], ...] = ()
    is_stacked: bool = False


@dataclass(frozen=True)
class Row:
    """Panels side by side under a title."""

    title: str
    panels: list[Panel]


@dataclass(frozen=True)
class Board:
    """One dashboard; its uid and file name are made of `name`, and stay."""

    name: str
    title: str
    description: str
    rows: list[Row]
    has_job: bool = False

    @property
    def uid(self) -> str:
        """The stable id that links point to."""
        return f"precisionpulse-{self.name}"

    def queries(self) -> list[str]:
        """Return every query, with its variables still in it."""
        return [_spelt_out(query) for row in self.rows for panel in row.panels for query in panel.queries.values()]

    def text(self) -> str:
        """Return the file."""
        return json.dumps(self._model(), indent=2, ensure_ascii=False) + "\n"

    def _model(self) -> dict[str, Any]:
        panels: list[dict[str, Any]] = []
        top = 0
        for row in self.rows:
            panels.append(_row(len(panels) + 1, row.title, top))
            top += 1
            width = WIDTH // len(row.panels)
            height = max(HEIGHTS[panel.kind] for panel in row.panels)
            for place, panel in enumerate(row.panels):
                grid = {"h": height, "w": width, "x": place * width, "y": top}
                panels.append(_panel(len(panels) + 1, panel, grid))
            top += height
        return {
            "uid": self.uid,
            "title": f"PrecisionPulse / {self.title}",
            "description": self.description,
            "tags": ["precisionpulse"],
            "editable": False,
            "graphTooltip": 1,
            "schemaVersion": 39,
            "version": 1,
            "time": {"from": "now-3h", "to": "now"},
            "refresh": "30s",
            "timezone": "browser",
            "links": [_link()],
            "templating": {"list": _variables(has_job=self.has_job)},
            "annotations": {"list": [_alerts_as_annotations()]},
            "panels": panels,
        }


def _row(number: int, title: str, top: int) -> dict[str, Any]:
    grid = {"h": 1, "w": WIDTH, "x": 0, "y": top}
    return {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": grid, "panels": []}


def _panel(number: int, panel: Panel, grid: dict[str, int]) -> dict[str, Any]:
    is_table = panel.kind == "table"
    targets = [
        {
            "refId": chr(ord("A") + place),
            "datasource": DATASOURCE,
            "expr": _spelt_out(query),
            "legendFormat": legend,
            "range": not is_table,
            "instant": is_table,
            **({"format": "table"} if is_table else {}),
        }
        for place, (legend, query) in enumerate(panel.queries.items())
    ]
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "gridPos": grid,
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel.kind),
        "targets": targets,
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    steps = [{"color": "green", "value": None}, *({"color": color, "value": value} for color, value in panel.limits)]
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.kind == "timeseries":
        defaults["custom"] = {
            "lineWidth": 1,
            "fillOpacity": 20 if panel.is_stacked else 0,
            "showPoints": "never",
            "stacking": {"mode": "normal" if panel.is_stacked else "none"},
            "thresholdsStyle": {"mode": "line" if panel.limits else "off"},
        }
    return defaults


def _options(kind: Kind) -> dict[str, Any]:
    if kind == "timeseries":
        return {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}
    if kind == "stat":
        return {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "area"}
    return {"showHeader": True}


def _variables(*, has_job: bool) -> list[dict[str, Any]]:
    variables: list[dict[str, Any]] = [
        {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
        _query_variable("namespace", "Namespace", 'label_values(up{job="ingest"}, namespace)'),
    ]
    if has_job:
        variables.append(_query_variable("job", "Service", "label_values(event_loop_lag_seconds, job)"))
    return variables


def _query_variable(name: str, label: str, query: str) -> dict[str, Any]:
    # "All" also matches series without the label: outside of a cluster there is no namespace.
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "query": query,
        "refresh": 2,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
    }


def _link() -> dict[str, Any]:
    return {
        "title": "PrecisionPulse",
        "type": "dashboards",
        "tags": ["precisionpulse"],
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
    }


def _alerts_as_annotations() -> dict[str, Any]:
    return {
        "name": "Alerts",
        "datasource": DATASOURCE,
        "enable": True,
        "iconColor": "red",
        "expr": 'ALERTS{alertname=~"Pulse.*", alertstate="firing"}',
        "titleFormat": "{{alertname}} {{job}}",
    }


def _spelt_out(query: str) -> str:
    query = query.replace("$ours", f'$ns, job=~"{SERVICES}"')
    return query.replace("$ns", 'namespace=~"$namespace"').replace("$of_job", 'job=~"$job"')
