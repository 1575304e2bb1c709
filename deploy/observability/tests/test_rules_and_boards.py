"""Rules and dashboards ask for what the code makes, and are complete: descriptions, units, runbooks, tests."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from metric_names import PROMETHEUS_OWN, ROOT, family_of, made_by_the_code, names_in

FILES = ROOT / "deploy/k8s/precisionpulse/files"
GROUPS = [
    group
    for name in ("recording", "alerts")
    for group in yaml.safe_load((FILES / f"{name}.yaml").read_text(encoding="utf-8"))["groups"]
]
RULES: list[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]
ALERTS = sorted({rule["alert"] for rule in RULES if "alert" in rule})
BOARDS = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in (FILES / "dashboards").glob("*.json")}
HERE = Path(__file__).parent


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def unknown_in(expressions: list[str]) -> set[tuple[str, str]]:
    known = made_by_the_code() | PROMETHEUS_OWN | {rule["record"] for rule in RULES if "record" in rule}
    found = set()
    for expression in expressions:
        names = names_in(expression)
        assert names, expression
        found |= {(name, expression) for name in names if name not in known and family_of(name) not in known}
    return found


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ('sum by (namespace) (rate(a_b_total{x="c_d"}[5m])) > 2', {"a_b_total"}),
        ("level:a_b:rate5m > 14.4 * 0.005 and other_one offset 5m", {"level:a_b:rate5m", "other_one"}),
        (
            'histogram_quantile(0.9, sum by (le) (rate(a_bucket{namespace=~"$namespace"}[$__rate_interval])))',
            {"a_bucket"},
        ),
        ('absent(up{job="ingest"})', {"up"}),
    ],
)
def test_names_are_found_in_promql(expression: str, names: set[str]) -> None:
    assert names_in(expression) == names


def test_rules_ask_for_metrics_that_exist() -> None:
    assert unknown_in([rule["expr"] for rule in RULES]) == set()


def test_panels_ask_for_metrics_that_exist() -> None:
    queries = [target["expr"] for board in BOARDS.values() for panel in panels(board) for target in panel["targets"]]
    assert len(queries) > 80
    assert unknown_in(queries) == set()


def test_every_recorded_figure_is_used() -> None:
    asked = [rule["expr"] for rule in RULES]
    asked += [target["expr"] for board in BOARDS.values() for panel in panels(board) for target in panel["targets"]]
    used = set().union(*(names_in(expression) for expression in asked))
    assert {rule["record"] for rule in RULES if "record" in rule} <= used


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_a_dashboard_says_what_it_shows(name: str) -> None:
    board = BOARDS[name]
    assert board["uid"] == f"precisionpulse-{name}"
    assert board["description"]
    assert {"datasource", "namespace"} <= {variable["name"] for variable in board["templating"]["list"]}
    ids = [panel["id"] for panel in board["panels"]]
    assert ids == sorted(set(ids))
    for panel in panels(board):
        assert panel["title"], panel["id"]
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in {"short", "s", "bytes", "cps", "percentunit"}
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        for target in panel["targets"]:
            assert "$ns" not in target["expr"]
            assert "$o" not in target["expr"]
    squares = [
        (x, y)
        for panel in board["panels"]
        for grid in [panel["gridPos"]]
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(squares) == len(set(squares))
    assert max(x for x, _ in squares) < 24


def test_every_alert_is_tested_to_fire_and_not_to_fire() -> None:
    seen: dict[str, set[bool]] = {}
    for file in HERE.glob("*_test.yaml"):
        for test in yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]:
            for case in test.get("alert_rule_test", ()):
                seen.setdefault(case["alertname"], set()).add(bool(case["exp_alerts"]))
    assert {name: fired for name, fired in seen.items() if fired != {True, False}} == {}
    assert sorted(seen) == ALERTS


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_a_page_with_its_parts(alert: str) -> None:
    text = (ROOT / "docs/runbooks" / f"{alert}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {alert}\n")
    for part in ("**Means.**", "**Effect.**", "## Look", "## Do"):
        assert part in text, part
    index = (ROOT / "docs/runbooks/README.md").read_text(encoding="utf-8")
    assert f"[{alert}]({alert}.md)" in index


def test_runbooks_ask_for_metrics_that_exist() -> None:
    known = made_by_the_code()
    services = ("ingest", "gateway", "identity", "sync", "commands", "alerts", "http", "event_loop", "process")
    for file in (ROOT / "docs/runbooks").glob("*.md"):
        for code in re.findall(r"`([^`]+)`", file.read_text(encoding="utf-8")):
            for name in re.findall(r"\b[a-z]+_[a-z_]+\b(?![=.])", code):
                if name.startswith(tuple(f"{service}_" for service in services)) and re.search(
                    r"(_total|_bucket|_seconds|_depth|_bytes|_ratio)$", name
                ):
                    assert family_of(name) in known, (file.name, name)
