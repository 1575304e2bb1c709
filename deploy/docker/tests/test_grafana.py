"""What Grafana is given, against the keys that its documentation has, the dashboards, and what compose.yaml mounts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
GRAFANA = ROOT / "deploy/docker/grafana"
# Grafana's "Provision Grafana": a key that it does not know it passes over without a word.
DATA_SOURCE = {
    *("name", "type", "access", "orgId", "uid", "url", "user", "database", "basicAuth", "basicAuthUser"),
    *("withCredentials", "isDefault", "jsonData", "secureJsonData", "version", "editable"),
}
PROVIDER = {
    *("name", "orgId", "folder", "folderUid", "type", "disableDeletion"),
    *("updateIntervalSeconds", "allowUiUpdates", "options"),
}


def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((GRAFANA / name).read_text(encoding="utf-8"))
    return found


def _compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    return found


def _boards() -> list[dict[str, Any]]:
    files = sorted((ROOT / "deploy/k8s/precisionpulse/files/dashboards").glob("*.json"))
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def _datasources(part: Any) -> Iterator[Any]:
    if isinstance(part, dict):
        if "datasource" in part:
            yield part["datasource"]
        for value in part.values():
            yield from _datasources(value)
    elif isinstance(part, list):
        for value in part:
            yield from _datasources(value)


def test_the_data_source_is_the_prometheus_of_compose_and_the_one_that_every_panel_asks() -> None:
    document = _read("datasources.yaml")
    assert set(document) == {"apiVersion", "datasources"}
    assert document["apiVersion"] == 1
    (source,) = document["datasources"]
    assert set(source) <= DATA_SOURCE
    assert (source["type"], source["access"], source["url"]) == ("prometheus", "proxy", "http://prometheus:9090")
    assert "prometheus" in _compose()["services"]
    asked = [
        one for board in _boards() for one in _datasources(board) if one != {"type": "grafana", "uid": "-- Grafana --"}
    ]
    assert asked
    variables = {
        f"${{{variable['name']}}}"
        for board in _boards()
        for variable in board.get("templating", {}).get("list", [])
        if variable["type"] == "datasource" and variable["query"] == source["type"]
    }
    assert {one["uid"] if isinstance(one, dict) else one for one in asked} <= {source["uid"], *variables}


def test_the_dashboards_lie_where_the_provider_looks() -> None:
    document = _read("dashboards.yaml")
    assert set(document) == {"apiVersion", "providers"}
    (provider,) = document["providers"]
    assert set(provider) <= PROVIDER
    assert provider["type"] == "file"
    grafana = _compose()["services"]["grafana"]
    mounted = [volume.split(":") for volume in grafana["volumes"] if volume.startswith("./")]
    (source, target, how) = mounted[0]
    assert (target, how) == (provider["options"]["path"], "ro")
    assert len(list((ROOT / source).glob("*.json"))) == len(_boards())
    targets = {config["source"]: config["target"] for config in grafana["configs"]}
    # The two directories that Grafana reads under its provisioning path.
    assert targets["grafana_datasources"].startswith("/etc/grafana/provisioning/datasources/")
    assert targets["grafana_dashboards"].startswith("/etc/grafana/provisioning/dashboards/")
    uids = [board["uid"] for board in _boards()]
    assert len(set(uids)) == len(uids)
    assert all(0 < len(uid) <= 40 for uid in uids)
    assert all(board["title"] and board.get("id") is None for board in _boards())


def test_grafana_reads_its_password_from_a_file_and_asks_nobody_outside() -> None:
    environment = _compose()["services"]["grafana"]["environment"]
    assert environment["GF_SECURITY_ADMIN_PASSWORD__FILE"] == "/run/secrets/grafana_password"
    assert environment["GF_ANALYTICS_REPORTING_ENABLED"] == "false"
    assert environment["GF_ANALYTICS_CHECK_FOR_UPDATES"] == "false"
