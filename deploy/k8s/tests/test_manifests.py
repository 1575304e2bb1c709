"""The rendered manifests against themselves and against the code: what no schema of Kubernetes can see."""

from __future__ import annotations

import re
from typing import Any

import pytest
from manifests import CHART, EVERYTHING, ROOT, SIZES, Manifest, architecture, of_kind, pods, render

from pulse_alerts.settings import AlertsSettings
from pulse_chassis import run, settings
from pulse_commands.settings import CommandsSettings
from pulse_gateway.http import forwarding
from pulse_gateway.settings import GatewaySettings
from pulse_identity.settings import IdentitySettings
from pulse_ingest.settings import IngestSettings
from pulse_local import services as local
from pulse_sync.settings import SyncSettings

SETTINGS: dict[str, type[settings.ServiceSettings]] = {
    "identity": IdentitySettings,
    "ingest": IngestSettings,
    "sync": SyncSettings,
    "commands": CommandsSettings,
    "alerts": AlertsSettings,
    "gateway": GatewaySettings,
}
RENDERED = [(size, ()) for size in SIZES] + [("large", EVERYTHING), (None, ()), ("small", EVERYTHING)]
pytestmark = pytest.mark.parametrize(
    "manifests",
    [pytest.param(each, id=f"{each[0] or 'defaults'}{'-everything' if each[1] else ''}") for each in RENDERED],
    indirect=True,
)
SHARED = {"scratch", "secrets", "mqtt-ca", "releases"}


@pytest.fixture
def manifests(request: pytest.FixtureRequest) -> tuple[Manifest, ...]:
    return render(*request.param)


def service_of(pod: Manifest) -> str:
    module = pod["containers"][0]["command"][-1]
    return str(module).removeprefix("pulse_")


def service_pods(manifests: tuple[Manifest, ...]) -> list[tuple[str, Manifest, Manifest]]:
    return [found for found in pods(manifests) if found[1]["app.kubernetes.io/component"] not in {"test", "backup"}]


def variables(pod: Manifest) -> dict[str, Any]:
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in pod["containers"][0]["env"]}


def fits(selector: Manifest, labels: Manifest) -> bool:
    wanted = selector.get("matchLabels", {}).items()
    expressions = selector.get("matchExpressions", [])
    assert all(one["operator"] == "In" for one in expressions)
    return all(labels.get(key) == value for key, value in wanted) and all(
        labels.get(one["key"]) in one["values"] for one in expressions
    )


def test_every_service_of_the_product_is_there_as_the_local_stack_runs_it(manifests: tuple[Manifest, ...]) -> None:
    running = {
        labels["app.kubernetes.io/component"]: pod
        for _, labels, pod in service_pods(manifests)
        if labels["app.kubernetes.io/component"] != "migrate"
    }
    assert {name: pod["containers"][0]["command"] for name, pod in running.items()} == {
        service.name: ["python", "-m", service.module] for service in local.SERVICES
    }
    for _, _, pod in service_pods(manifests):
        image = pod["containers"][0]["image"]
        assert image.split(":")[0].endswith(f"/{service_of(pod)}")


def test_every_variable_is_one_that_the_service_reads(manifests: tuple[Manifest, ...]) -> None:
    for name, _, pod in service_pods(manifests):
        fields = SETTINGS[service_of(pod)].model_fields
        plain = {f"PULSE_{field}".upper() for field in fields}
        secret = {f"PULSE_{field}_FILE".upper() for field, info in fields.items() if settings._is_secret(info)}
        unknown = {variable for variable in variables(pod) if variable not in plain | secret}
        assert unknown == set(), name


def test_the_settings_accept_what_a_pod_is_told(
    manifests: tuple[Manifest, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a-secret:of-more-than-24-characters\n", encoding="utf-8")
    for name, _, pod in service_pods(manifests):
        with monkeypatch.context() as environment:
            for variable, value in variables(pod).items():
                given = name + "-7d9c5b8f4-x2x4z" if isinstance(value, dict) else value
                environment.setenv(variable, str(secret) if str(given).startswith("/run/secrets/") else given)
            assert SETTINGS[service_of(pod)]().http_port == 8000


def test_nothing_that_the_local_stack_tells_a_service_is_forgotten(manifests: tuple[Manifest, ...]) -> None:
    # The image has the dashboard, the database's volume is not in the pod, and no other origin is let in unasked.
    other = {"PULSE_GATEWAY_DASHBOARD_DIR", "PULSE_INGEST_STORAGE_PATH", "PYTHONUNBUFFERED", "PULSE_ALLOWED_ORIGINS"}
    other |= {"PULSE_GATEWAY_RELEASES_DIR"}  # Releases are offered where somebody chose a claim with them.
    # Not with every broker; the account's name is the default there.
    optional = {"PULSE_IDENTITY_MQTT_PUBLIC_PORT", "PULSE_IDENTITY_MQTT_TLS_PORT", "PULSE_IDENTITY_MQTT_CA_FILE"}
    optional |= {"PULSE_IDENTITY_BROKER_ADMIN_USERNAME", "PULSE_IDENTITY_BROKER_ADMIN_PASSWORD"}
    broker = {"PULSE_MQTT_USERNAME", "PULSE_MQTT_PASSWORD", "PULSE_MQTT_HOST", "PULSE_MQTT_PORT"}
    for service in local.SERVICES:
        source = set(re.findall(r'"(PULSE_[A-Z_]+)"', _source_of(service)))
        told = [variables(pod) for _, _, pod in service_pods(manifests) if service_of(pod) == service.name]
        # Identity administers the broker with an account of its own settings; the gateway knows no broker.
        wanted = source - other - optional - (broker if service.name in {"identity", "gateway"} else set())
        for environment in told:
            assert {variable for variable in wanted if not {variable, f"{variable}_FILE"} & set(environment)} == set()


def test_a_claim_with_releases_is_mounted_by_the_gateway_alone_and_read_only(manifests: tuple[Manifest, ...]) -> None:
    for _, _, pod in service_pods(manifests):
        mounts = {mount["name"]: mount for mount in pod["containers"][0]["volumeMounts"]}
        claims = [volume["persistentVolumeClaim"] for volume in pod["volumes"] if volume["name"] == "releases"]
        assert ("releases" in mounts) == bool(claims)
        if claims:
            assert service_of(pod) == "gateway"
            assert claims == [{"claimName": "releases", "readOnly": True}]
            assert variables(pod)["PULSE_GATEWAY_RELEASES_DIR"] == mounts["releases"]["mountPath"]
            assert mounts["releases"]["readOnly"]


def _source_of(service: local.Service) -> str:
    text = (ROOT / "deploy/local/src/pulse_local/services.py").read_text(encoding="utf-8")
    own = text.split(f"def {service.environment.__name__}(")[1].split("\ndef ")[0]
    common = text.split("def service_environment(")[1].split("\ndef ")[0]
    return own + common


def test_every_file_that_a_variable_names_is_mounted(manifests: tuple[Manifest, ...]) -> None:
    for name, _, pod in service_pods(manifests):
        files = set()
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for mount in pod["containers"][0]["volumeMounts"]:
            volume = volumes[mount["name"]]
            for item in volume.get("secret", volume.get("configMap", {})).get("items", []):
                files.add(f"{mount['mountPath']}/{item['path']}")
        named = {
            value
            for value in variables(pod).values()
            if str(value).startswith(("/run/secrets/", "/etc/precisionpulse/"))
        }
        assert named == files, name
        assert {mount["name"] for mount in pod["containers"][0]["volumeMounts"]} == set(volumes) <= SHARED


def test_every_secret_key_is_documented_and_no_value_is_made_up(manifests: tuple[Manifest, ...]) -> None:
    readme = (CHART / "README.md").read_text(encoding="utf-8")
    for _, _, pod in service_pods(manifests):
        for volume in pod["volumes"]:
            for item in volume.get("secret", {}).get("items", []):
                assert f"| `{item['key']}` |" in readme
    assert of_kind(manifests, "Secret") == []


def test_selectors_find_the_pods_they_are_meant_for(manifests: tuple[Manifest, ...]) -> None:
    everyone = [labels for _, labels, _ in pods(manifests)]
    for manifest in of_kind(manifests, "Deployment", "StatefulSet"):
        assert fits(manifest["spec"]["selector"], manifest["spec"]["template"]["metadata"]["labels"])
    for manifest in of_kind(manifests, "Deployment", "StatefulSet", "PodDisruptionBudget"):
        found = [labels for labels in everyone if fits(manifest["spec"]["selector"], labels)]
        own = manifest["metadata"]["labels"]["app.kubernetes.io/component"]
        assert [labels["app.kubernetes.io/component"] for labels in found] == [own]
    for manifest in of_kind(manifests, "Service"):
        found = [labels for labels in everyone if fits({"matchLabels": manifest["spec"]["selector"]}, labels)]
        assert len(found) == 1
    for manifest in of_kind(manifests, "NetworkPolicy"):
        found = [labels for labels in everyone if fits(manifest["spec"]["podSelector"], labels)]
        if manifest["metadata"]["name"].endswith("-default-deny"):
            assert len(found) == len(everyone)
        else:
            assert {manifest["metadata"]["name"].rpartition("-")[2]} == {
                labels["app.kubernetes.io/component"] for labels in found
            }
    for manifest in of_kind(manifests, "ServiceMonitor"):
        scraped = [
            service for service in of_kind(manifests, "Service")
            if fits(manifest["spec"]["selector"], service["metadata"]["labels"])
        ]  # fmt: skip
        assert len(scraped) == len(local.SERVICES)


def test_every_port_that_is_named_is_one_of_the_pods(manifests: tuple[Manifest, ...]) -> None:
    for name, labels, pod in service_pods(manifests):
        container = pod["containers"][0]
        if labels["app.kubernetes.io/component"] == "migrate":
            continue
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert ports == {"http": int(variables(pod)["PULSE_HTTP_PORT"])}, name
        assert variables(pod)["PULSE_HTTP_HOST"] == "0.0.0.0"
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"]["port"] in ports
    for service in of_kind(manifests, "Service"):
        assert [port["targetPort"] for port in service["spec"]["ports"]] == ["http"]
        assert [port["name"] for port in service["spec"]["ports"]] == ["http"]
    urls = {
        value
        for _, _, pod in service_pods(manifests)
        for variable, value in variables(pod).items()
        if re.fullmatch(r"PULSE_(GATEWAY_)?[A-Z]+_URL", variable)
    }
    offered = {
        f"http://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}"
        for service in of_kind(manifests, "Service")
    }
    assert urls <= offered
    assert len(urls) == len(local.SERVICES) - 1


def test_probes_ask_paths_that_every_service_answers(manifests: tuple[Manifest, ...]) -> None:
    source = (ROOT / "libs/chassis/src/pulse_chassis/http.py").read_text(encoding="utf-8")
    for _, labels, pod in service_pods(manifests):
        if labels["app.kubernetes.io/component"] == "migrate":
            continue
        container = pod["containers"][0]
        paths = {probe: container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness", "readiness")}
        assert paths == {"startup": "/health", "liveness": "/health", "readiness": "/readyz"}
        assert all(f'"{path}"' in source for path in paths.values())
    for monitor in of_kind(manifests, "ServiceMonitor"):
        assert all(f'"{endpoint["path"]}"' in source for endpoint in monitor["spec"]["endpoints"])


def test_a_pod_that_stops_is_left_the_time_that_its_process_may_take(manifests: tuple[Manifest, ...]) -> None:
    drain = 10 + run.LAST_SECONDS + run.CLOSE_SECONDS + run.ABORT_SECONDS
    for _, labels, pod in service_pods(manifests):
        if labels["app.kubernetes.io/component"] != "migrate":
            pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
            assert pod["terminationGracePeriodSeconds"] >= pause + drain


def test_pods_may_do_nothing_that_they_need_not(manifests: tuple[Manifest, ...]) -> None:
    for name, _, pod in pods(manifests):
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["enableServiceLinks"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert not container["image"].endswith(":latest")


def test_requests_are_below_limits_and_sane(manifests: tuple[Manifest, ...]) -> None:
    for name, _, pod in pods(manifests):
        for container in pod["containers"]:
            requests, limits = container["resources"]["requests"], container["resources"]["limits"]
            assert 0.005 <= _cores(requests["cpu"]) <= 4, name
            assert 32 <= _mebibytes(requests["memory"]) <= _mebibytes(limits["memory"]) <= 4096, name


def _cores(text: str) -> float:
    return float(text.removesuffix("m")) / 1000 if text.endswith("m") else float(text)


def _mebibytes(text: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(Ki|Mi|Gi)", text).groups()  # type: ignore[union-attr]
    return int(number) * {"Ki": 1 / 1024, "Mi": 1, "Gi": 1024}[unit]


def test_the_ingress_leads_every_path_of_the_gateways_table_to_its_owner(manifests: tuple[Manifest, ...]) -> None:
    facts = architecture()
    assert facts["prefixes"] == dict(forwarding.PREFIXES)
    assert facts["exact"] == {path: service for path, (service, _) in forwarding.EXACT.items()}
    names = {service["metadata"]["name"] for service in of_kind(manifests, "Service")}
    for ingress in of_kind(manifests, "Ingress"):
        (rule,) = ingress["spec"]["rules"]
        routed = {
            (entry["pathType"], entry["path"]): entry["backend"]["service"]["name"] for entry in rule["http"]["paths"]
        }
        wanted = {("Prefix", path): f"pulse-precisionpulse-{owner}" for path, owner in facts["prefixes"].items()}
        wanted |= {("Exact", path): f"pulse-precisionpulse-{owner}" for path, owner in facts["exact"].items()}
        wanted[("Prefix", "/")] = "pulse-precisionpulse-gateway"
        assert routed == wanted
        assert set(routed.values()) <= names
        assert not any(path.startswith("/internal") for _, path in routed)
        assert ingress["spec"]["tls"][0]["hosts"] == [rule["host"]]


def test_migrations_run_before_everything_one_after_the_other(manifests: tuple[Manifest, ...]) -> None:
    jobs = of_kind(manifests, "Job")
    weights = {
        service_of(job["spec"]["template"]["spec"]): int(job["metadata"]["annotations"]["helm.sh/hook-weight"])
        for job in jobs
    }
    assert sorted(weights, key=weights.__getitem__) == [service.name for service in local.SERVICES if service.migrates]
    assert len(set(weights.values())) == len(weights)
    for job in jobs:
        assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
        pod = job["spec"]["template"]["spec"]
        assert pod["containers"][0]["args"] == ["migrate"]
        # Nothing of this release is there yet: no ServiceAccount of it, and no ConfigMap.
        assert "serviceAccountName" not in pod


def test_what_a_service_calls_is_let_out_and_in(manifests: tuple[Manifest, ...]) -> None:
    policies = {policy["metadata"]["name"]: policy["spec"] for policy in of_kind(manifests, "NetworkPolicy")}
    if not policies:
        return
    labels_of = {labels["app.kubernetes.io/component"]: labels for _, labels, _ in pods(manifests)}
    for caller, facts in architecture()["services"].items():
        for callee, labels in labels_of.items():
            out = _lets(policies[f"pulse-precisionpulse-{caller}"].get("egress", []), "to", labels)
            into = _lets(policies[f"pulse-precisionpulse-{callee}"].get("ingress", []), "from", labels_of[caller])
            assert out == (callee in facts["calls"]), (caller, callee)
            assert into == (callee in facts["calls"]), (caller, callee)
        # Whom a service is told an address of, it calls.
        told = next(
            variables(pod)
            for _, labels, pod in service_pods(manifests)
            if labels["app.kubernetes.io/component"] == caller
        )
        urls = {value for name, value in told.items() if re.fullmatch(r"PULSE_(GATEWAY_)?[A-Z]+_URL", name)}
        named = {url.removeprefix("http://pulse-precisionpulse-").removesuffix(":8000") for url in urls}
        assert named - {caller} == set(facts["calls"])


def _lets(rules: list[Manifest], side: str, labels: Manifest) -> bool:
    return any(
        fits(peer["podSelector"], labels) for rule in rules for peer in rule.get(side, []) if "podSelector" in peer
    )


def test_uses_of_servers_are_let_out_at_their_ports(manifests: tuple[Manifest, ...]) -> None:
    for policy in of_kind(manifests, "NetworkPolicy"):
        service = policy["metadata"]["name"].rpartition("-")[2]
        facts = architecture()
        uses = {**facts["services"], "backup": facts["backup"]}.get(service, {}).get("uses", [])
        ports = {port["port"] for rule in policy["spec"].get("egress", []) for port in rule["ports"]}
        for use, number in (("postgres", 5432), ("valkey", 6379), ("mqtt", 8883)):
            wanted = use in uses or (service, use) == ("migrate", "postgres")
            if (service, use) == ("identity", "mqtt") and 18083 in ports:
                # Identity manages EMQX by its API and is no client of it.
                wanted = False
            assert (number in ports) == wanted, (service, use)


def test_ingest_is_scaled_by_one_scaler_only_and_by_what_it_has(manifests: tuple[Manifest, ...]) -> None:
    scalers = of_kind(manifests, "HorizontalPodAutoscaler", "ScaledObject")
    targets = {
        (manifest["kind"], manifest["metadata"]["name"]): manifest
        for manifest in of_kind(manifests, "Deployment", "StatefulSet")
    }
    scaled = {(one["spec"]["scaleTargetRef"]["kind"], one["spec"]["scaleTargetRef"]["name"]) for one in scalers}
    assert len(scalers) <= 1
    assert {key for key, manifest in targets.items() if "replicas" not in manifest["spec"]} == scaled


def test_a_worker_with_a_durable_session_keeps_its_name(manifests: tuple[Manifest, ...]) -> None:
    for manifest in of_kind(manifests, "Deployment", "StatefulSet"):
        told = variables(manifest["spec"]["template"]["spec"])
        service = manifest["metadata"]["labels"]["app.kubernetes.io/component"]
        if told.get(f"PULSE_{service.upper()}_SESSION") == "durable":
            assert manifest["kind"] == "StatefulSet"
        worker = architecture()["services"][service].get("workerVariable")
        if worker:
            assert told[worker] == {"fieldRef": {"fieldPath": "metadata.name"}}
