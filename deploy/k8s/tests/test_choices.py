"""What an installation may choose: values, schema and README name the same, and a wrong choice is refused in words."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from fastapi.routing import APIRoute
from manifests import CHART, EVERYTHING, ROOT, architecture, helm, of_kind, render, run_template
from metric_names import family_of, made_by_the_code, names_in

from pulse_identity.http import emqx_routes
from pulse_local.servers import mosquitto

OPEN = {"annotations", "labels", "resources", "env", "nodeSelector", "tolerations", "podAnnotations"}


def values() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    return found


def keys_of_values(given: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in given.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and key not in OPEN and value:
            yield from keys_of_values(value, f"{path}.")
        else:
            yield path


def keys_of_schema(schema: dict[str, Any], whole: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, part in schema["properties"].items():
        if prefix == "" and key == "global":
            continue
        found = whole["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part
        if found.get("properties") and key not in OPEN:
            yield from keys_of_schema(found, whole, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    return found


def keys_of_readme() -> set[str]:
    section = (CHART / "README.md").read_text(encoding="utf-8").split("## Values")[1].split("\n## ")[0]
    named = set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE))
    each = {name for name in named if name.startswith("services.<service>.")}
    services = architecture()["services"]
    return (named - each) | {name.replace("<service>", service) for name in each for service in services}


def test_values_schema_and_readme_name_the_same_keys() -> None:
    keys = set(keys_of_values(values()))
    assert set(keys_of_schema(schema(), schema())) == keys
    assert keys_of_readme() == keys


def test_readme_names_every_secret_key_and_no_other() -> None:
    section = (CHART / "README.md").read_text(encoding="utf-8").split("## The Secret")[1].split("\n## ")[0]
    users = (*architecture()["services"].values(), architecture()["backup"])
    used = {secret["key"] for facts in users for secret in facts["secrets"]}
    assert set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)) == used


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["secrets.existingSecret="], "secrets.existingSecret"),
        (["mqtt.host="], "mqtt.host"),
        (["backup.enabled=true"], "backup.claim"),
        (["mqtt.tls.caConfigMap="], "mqtt.tls.caConfigMap"),
        (["ingress.enabled=true", "ingress.tlsSecret="], "ingress.tlsSecret"),
        (["ingress.enabled=true", "ingress.host="], "ingress.host"),
        (["ingress.enabled=true", "trustedProxies=127.0.0.1"], "trustedProxies"),
        (["autoscaling.mode=keda", "autoscaling.keda.prometheusUrl="], "autoscaling.keda.prometheusUrl"),
        (["autoscaling.minReplicas=20"], "autoscaling.minReplicas"),
        (["stop.graceSeconds=22"], "stop.graceSeconds"),
        (["services.ingest.env.PULSE_INGEST_SESSION=durable"], "workload: StatefulSet"),
        (
            [
                "services.ingest.workload=StatefulSet",
                "services.ingest.env.PULSE_INGEST_SESSION=durable",
                "autoscaling.mode=cpu",
            ],
            "durable sessions behind",
        ),
        (["services.ingest.replica=1"], "replica"),
        (["services.reports.replicas=1"], "reports"),
        (["services.ingest.env.PATH=x"], "PATH"),
        (["services.ingest.resources.requests.memory=1TB"], "memory"),
        (["mail.host=mail.example.com"], "mail.from"),
        (["mqtt.emqx.enabled=true"], "mqtt.emqx.apiUrl"),
        (["mqtt.emqx.sharedSubscriptionStrategy=hash"], "sharedSubscriptionStrategy"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_a_wrong_choice_is_refused_in_words(settings: list[str], says: str) -> None:
    done = run_template(*(part for setting in settings for part in ("--set", setting)))
    assert done.returncode != 0
    assert says in done.stderr


def test_a_pods_name_is_a_workers_id() -> None:
    long = "a-release-with-a-name-as-long-as-fifty-three-letters"
    arguments = ["--values", str(CHART.parent / "tests/site.yaml")]
    done = subprocess.run(
        [helm(), "template", long, str(CHART), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    names = re.findall(r"^  name: (\S+)$", done.stdout, re.MULTILINE)
    # A ReplicaSet adds at most 11 characters, a pod 6.
    assert max(len(name) for name in names) + 17 <= 64


def rules() -> list[dict[str, Any]]:
    files = [CHART / "files/recording.yaml", CHART / "files/alerts.yaml"]
    groups = [group for file in files for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def test_the_cluster_gets_the_rules_of_the_file_each_with_its_runbook() -> None:
    (found,) = of_kind(render("large"), "PrometheusRule")
    rendered = [rule for group in found["spec"]["groups"] for rule in group["rules"]]
    for rule in (rule for rule in rendered if "alert" in rule):
        page = ROOT / rule["annotations"].pop("runbook_url")
        assert page.is_file()
        assert page.read_text(encoding="utf-8").startswith(f"# {rule['alert']}\n")
    assert rendered == rules()
    pages = {page.stem for page in (ROOT / "docs/runbooks").glob("Pulse*.md")}
    assert pages == {rule["alert"] for rule in rules() if "alert" in rule}


def test_the_scaler_asks_for_metrics_that_exist() -> None:
    (scaler,) = of_kind(render("large"), "ScaledObject")
    asked = [trigger["metadata"]["query"] for trigger in scaler["spec"]["triggers"] if trigger["type"] == "prometheus"]
    assert asked
    for expression in asked:
        assert {family_of(name) for name in names_in(expression)} <= made_by_the_code(), expression


def test_the_cluster_gets_every_dashboard_as_it_is() -> None:
    maps = [one for one in of_kind(render("large"), "ConfigMap") if "grafana_dashboard" in one["metadata"]["labels"]]
    rendered = {
        name.removeprefix("precisionpulse-"): json.loads(text) for one in maps for name, text in one["data"].items()
    }
    files = {file.name: json.loads(file.read_text(encoding="utf-8")) for file in CHART.glob("files/dashboards/*.json")}
    assert rendered == files
    assert len(files) == 8


def test_emqx_is_let_in_to_identity_only_where_it_is_the_broker() -> None:
    def mounted(settings: tuple[str, ...]) -> set[str]:
        (identity,) = [
            one for one in of_kind(render("large", settings), "Deployment")
            if one["metadata"]["name"].endswith("-identity")
        ]  # fmt: skip
        volumes = identity["spec"]["template"]["spec"]["volumes"]
        return {item["key"] for volume in volumes for item in volume.get("secret", {}).get("items", [])}

    assert {"identity-emqx-secret", "identity-emqx-api-key", "ingest-mqtt-password"} <= mounted(EVERYTHING)
    assert "identity-mqtt-password" not in mounted(EVERYTHING)
    assert mounted(()) & {"identity-emqx-secret", "identity-emqx-api-key", "ingest-mqtt-password"} == set()
    assert "identity-mqtt-password" in mounted(())


def test_emqx_is_told_to_ask_what_identity_answers_with_the_limits_of_mosquitto() -> None:
    (config,) = [one for one in of_kind(render("large", EVERYTHING), "ConfigMap") if "emqx.hocon" in one["data"]]
    text = config["data"]["emqx.hocon"]
    asked = re.findall(r'url = "http://pulse-precisionpulse-identity\.site:8000(/[^"]+)"', text)
    routes = {route.path: route for route in emqx_routes.router.routes if isinstance(route, APIRoute)}
    assert asked == ["/internal/emqx/authenticate", "/internal/emqx/authorize"]
    for path, body in zip(asked, re.findall(r"body {(.*)}$", text, re.MULTILINE), strict=True):
        sent = dict(re.findall(r'(\w+) = "\$\{(\w+)}"', body))
        assert all(name == placeholder for name, placeholder in sent.items())
        extra = routes[path].openapi_extra or {}
        assert set(sent) == set(extra["requestBody"]["content"]["application/json"]["schema"]["required"])
    assert text.count('x-broker-secret = "@BROKER_SECRET@"') == len(asked)
    assert f"max_inflight = {mosquitto.MOST_IN_FLIGHT}\n" in text
    assert f"max_mqueue_len = {mosquitto.MOST_QUEUED_MESSAGES}\n" in text
    assert f"max_packet_size = {mosquitto.LARGEST_PACKET // 1024**2}MB\n" in text
    assert "shared_subscription_strategy = hash_clientid\n" in text
    assert "no_match = deny\n" in text
