"""compose.yaml against the code that it starts: settings, secrets, ports, health, hardening. Needs no container engine."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from pulse_chassis.settings import ServiceSettings
from pulse_contracts.broker_accounts import SERVICE_READS
from pulse_local.compose_secrets import write_secrets
from pulse_local.services import SERVICES

ROOT = Path(__file__).resolve().parents[3]


class _Reset(yaml.SafeLoader):
    """Reads Compose's `!reset`, which takes away what the first file says."""


_Reset.add_constructor("!reset", lambda loader, node: None)
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
WITH_TLS = yaml.load((ROOT / "compose.tls.yaml").read_text(encoding="utf-8"), _Reset)
CONTAINERS: dict[str, dict[str, Any]] = COMPOSE["services"]
NAMES = [service.name for service in SERVICES]
OURS = {name: CONTAINERS[name] for name in NAMES} | {f"{name}-migrate": CONTAINERS[f"{name}-migrate"] for name in NAMES}
ONCE = {name for name, container in CONTAINERS.items() if container["restart"] == "no"}


def settings_of(container: str) -> type[ServiceSettings]:
    name = container.removesuffix("-migrate")
    module = importlib.import_module(f"pulse_{name}.settings")
    found: type[ServiceSettings] = getattr(module, f"{name.capitalize()}Settings")
    return found


def mounted(container: dict[str, Any]) -> set[str]:
    return {str(one) for one in container.get("secrets", ())}


def test_every_service_of_the_embedded_stack_is_there_and_migrates_before_it_starts() -> None:
    for name in NAMES:
        needed = CONTAINERS[name]["depends_on"]
        assert needed[f"{name}-migrate"]["condition"] == "service_completed_successfully"
        assert CONTAINERS[f"{name}-migrate"]["command"] == ["migrate"]
        assert CONTAINERS[f"{name}-migrate"]["image"] == CONTAINERS[name]["image"]
        assert f"precisionpulse/{name}:" in CONTAINERS[name]["image"]


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting_of_its_service(name: str) -> None:
    fields = settings_of(name).model_fields
    for variable in OURS[name]["environment"]:
        field = fields.get(variable.removeprefix("PULSE_").removesuffix("_FILE").lower())
        exact = fields.get(variable.removeprefix("PULSE_").lower())
        assert exact is not None or field is not None, variable
        if exact is None and field is not None:
            assert "SecretStr" in str(field.annotation), f"{variable}: only a secret is read from a file"


@pytest.mark.parametrize("name", OURS)
def test_every_secret_comes_by_file_and_every_file_is_mounted(name: str) -> None:
    container = OURS[name]
    fields = settings_of(name).model_fields
    for variable, value in container["environment"].items():
        field = fields.get(variable.removeprefix("PULSE_").lower())
        assert field is None or "SecretStr" not in str(field.annotation), f"{variable} is a secret in the environment"
        if str(value).startswith("/run/secrets/"):
            assert Path(value).name in mounted(container), variable
    named = {Path(str(value)).name for value in container["environment"].values()}
    assert mounted(container) <= named, "a secret that no variable names"


@pytest.mark.parametrize("name", NAMES)
def test_a_service_reads_its_settings_from_what_is_mounted(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_secrets(tmp_path, "pulse.example")
    for variable, value in CONTAINERS[name]["environment"].items():
        given = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value))
        monkeypatch.setenv(variable, given.replace("/run/secrets", str(tmp_path)))
    settings = settings_of(name)()
    assert settings.database_url.get_secret_value().startswith(f"postgresql://pulse_{name}:")
    assert settings.redis_url.get_secret_value().endswith("@valkey:6379/0")
    assert settings.identity_url == "http://identity:8000"
    assert all(
        value.get_secret_value() for key, value in settings if isinstance(value, SecretStr) and "mail" not in key
    )


def test_the_embedded_stack_sets_nothing_that_compose_forgets() -> None:
    """What `pulse up` gives a service is given here as well, as itself or by file; what differs is named."""
    # No plain port is published, and the database's volume is not ingest's to see.
    elsewhere = {"PULSE_IDENTITY_MQTT_PUBLIC_PORT", "PULSE_INGEST_STORAGE_PATH"}
    text = (ROOT / "deploy/local/src/pulse_local/services.py").read_text(encoding="utf-8")
    wanted = set(re.findall(r'"(PULSE_[A-Z_]+)"', text)) - elsewhere
    given = {variable.removesuffix("_FILE") for container in OURS.values() for variable in container["environment"]}
    given |= {variable for container in OURS.values() for variable in container["environment"]}
    assert wanted <= given


def test_secrets_are_random_made_once_and_none_is_missing(tmp_path: Path) -> None:
    made = set(write_secrets(tmp_path / "a", "localhost"))
    assert made == set(COMPOSE["secrets"])
    assert {Path(one["file"]).name for one in COMPOSE["secrets"].values()} == made
    write_secrets(tmp_path / "b", "localhost")
    before = {name: (tmp_path / "a" / name).read_bytes() for name in made}
    assert not {name for name in made - {"mail_password"} if before[name] == (tmp_path / "b" / name).read_bytes()}
    write_secrets(tmp_path / "a", "localhost")
    assert before == {name: (tmp_path / "a" / name).read_bytes() for name in made}


def test_only_the_owner_reaches_the_secrets_and_the_authoritys_key_is_never_mounted(tmp_path: Path) -> None:
    made = write_secrets(tmp_path / "secrets", "localhost")
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    key = (tmp_path / "secrets" / "authority" / "ca.key").read_text(encoding="ascii")
    assert all((tmp_path / "secrets" / name).read_text(encoding="utf-8") != key for name in made)


def test_only_the_gateway_mqtt_with_tls_and_grafana_on_loopback_are_published() -> None:
    published = {name: container["ports"] for name, container in CONTAINERS.items() if "ports" in container}
    assert set(published) == {"gateway", "mosquitto", "grafana"}
    assert [str(port).rsplit(":", 1)[1] for port in published["mosquitto"]] == ["8883"]
    assert published["gateway"][0].startswith("${PULSE_HTTP_BIND:-127.0.0.1}:")
    assert published["grafana"][0].startswith("127.0.0.1:")
    assert CONTAINERS["grafana"]["profiles"] == ["observability"]
    assert COMPOSE["networks"]["inner"]["internal"] is True
    for name in ("postgres", "valkey"):
        assert CONTAINERS[name]["networks"] == ["inner"]


def test_with_tls_nobody_reaches_the_gateway_past_the_proxy() -> None:
    gateway, caddy = WITH_TLS["services"]["gateway"], WITH_TLS["services"]["caddy"]
    assert "ports" in gateway
    assert gateway["ports"] is None
    assert [port.partition(":")[0] for port in caddy["ports"]] == ["80", "443", "443"]
    assert caddy["networks"] == ["front"]
    # Of these networks is nothing but this stack, so who asks for somebody else is believed.
    assert all("external" not in (network or {}) for network in COMPOSE["networks"].values())


@pytest.mark.parametrize("name", [*CONTAINERS, "caddy", "caddy-setup"])
def test_every_container_is_hardened_limited_and_pinned(name: str) -> None:
    container = CONTAINERS.get(name) or WITH_TLS["services"][name]
    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert container.get("user", "root").split(":")[0] not in {"0", "root"} or name == "caddy-setup"
    assert {"cpus", "memory", "pids"} <= set(container["deploy"]["resources"]["limits"])
    tag = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", container["image"]).partition(":")[2]
    assert re.match(r"v?\d+\.\d+", tag), f"{container['image']} names no version"


@pytest.mark.parametrize("name", CONTAINERS)
def test_whoever_waits_waits_for_health_or_for_the_end(name: str) -> None:
    for needed, how in CONTAINERS[name].get("depends_on", {}).items():
        wanted = "service_completed_successfully" if needed in ONCE else "service_healthy"
        assert how["condition"] == wanted, needed
        own = CONTAINERS[needed].get("image", "").startswith("precisionpulse/")
        assert needed in ONCE or own or "healthcheck" in CONTAINERS[needed], needed


def test_the_images_health_check_asks_what_every_service_answers() -> None:
    probe = (ROOT / "deploy/docker/probe.py").read_text(encoding="utf-8")
    http = (ROOT / "libs/chassis/src/pulse_chassis/http.py").read_text(encoding="utf-8")
    assert '"/readyz"' in probe
    assert '"/readyz"' in http
    dockerfile = (ROOT / "deploy/docker/Dockerfile").read_text(encoding="utf-8")
    assert re.search(r'^HEALTHCHECK .* CMD \["', dockerfile, re.MULTILINE)
    for name in NAMES:
        assert CONTAINERS[name]["environment"]["PULSE_HTTP_PORT"] == "8000"
    for target in re.findall(r"http://([a-z]+):(\d+)", (ROOT / "compose.yaml").read_text(encoding="utf-8")):
        assert target in {(name, "8000") for name in NAMES}


def test_the_brokers_accounts_are_those_of_the_rules() -> None:
    accounts = {c["environment"].get("PULSE_MQTT_USERNAME") for c in OURS.values()} - {None}
    assert accounts == {*SERVICE_READS, "svc-identity"}


def test_prometheus_asks_every_service_under_its_name() -> None:
    """The alert rules know a service by its job."""
    text = (ROOT / "deploy/docker/prometheus.yml").read_text(encoding="utf-8")
    jobs = yaml.safe_load(text)["scrape_configs"]
    asked = {
        (job["job_name"], target) for job in jobs for group in job["static_configs"] for target in group["targets"]
    }
    assert asked == {(name, f"{name}:8000") for name in NAMES}


def test_the_images_are_built_with_the_uv_that_the_lock_is_made_with() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    version = re.search(r"^UV_VERSION := (\S+)$", makefile, re.MULTILINE)
    assert version is not None
    pinned = (ROOT / "deploy/docker/uv-requirements.txt").read_text(encoding="utf-8")
    assert pinned.startswith(f"uv=={version[1]} ")


def test_every_image_of_ours_is_one_that_make_images_builds() -> None:
    script = (ROOT / "deploy/docker/build_images.sh").read_text(encoding="utf-8")
    default = re.search(r"wanted=\((dashboard [a-z ]+)\)", script)
    assert default is not None
    named = {m[1] for c in CONTAINERS.values() if (m := re.match(r"precisionpulse/([a-z]+):", c["image"]))}
    assert named == set(default[1].split()) - {"dashboard"}
