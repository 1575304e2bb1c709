"""A plan that cannot be done is refused before anything starts."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pulse_chassis.mqtt import MqttEndpoint
from pulse_contracts.telemetry import AppReading, FlatReading
from pulse_simulator.command import SimulateOptions, simulate
from pulse_simulator.figures import Figures, Summary
from pulse_simulator.outages import parse_schedule
from pulse_simulator.plain_device import WireForm, encode
from pulse_simulator.plan import FleetPlan, PlanError, allow_open_files
from pulse_simulator.registry import KEYS_FILE, Credentials, CredentialsError
from pulse_simulator.stack_file import StackFileError, read_stack_file


def plan(**changes: Any) -> FleetPlan:
    return FleetPlan(**({"devices": 1, "agents": 1, "rate_hz": 1.0, "duration": timedelta(seconds=60)} | changes))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"devices": 20_001}, "too many"),
        ({"devices": -1}, "too many"),
        ({"agents": 1_001}, "too many"),
        ({"devices": 0, "agents": 0}, "nothing to simulate"),
        ({"rate_hz": 0.0}, "rate"),
        ({"rate_hz": float("nan")}, "rate"),
        ({"duration": timedelta(0)}, "last some time"),
        ({"prefix": "a/b"}, "device's id"),
        ({"prefix": "x" * 60}, "device's id"),
        ({"outages": parse_schedule(["5s@60s"])}, "after the run"),
    ],
)
def test_a_senseless_plan_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(PlanError, match=reason):
        plan(**changes)


def test_a_run_without_a_duration_lasts_a_minute() -> None:
    assert SimulateOptions(devices=1).plan().duration == timedelta(seconds=60)


def test_only_outages_need_a_proxy_and_its_sockets() -> None:
    assert not plan().needs_proxy
    assert plan(outages=parse_schedule(["5s@5s"])).open_files > plan().open_files


def test_more_files_than_the_system_allows_are_refused_with_a_way_out() -> None:
    with pytest.raises(PlanError, match="fewer devices"):
        allow_open_files(2**40)
    allow_open_files(16)


@pytest.mark.parametrize("arguments", [["--devices", "20001"], ["--devices", "1", "--outage", "soon"], []])
def test_the_command_refuses_with_its_own_exit_code(arguments: list[str]) -> None:
    import typer

    application = typer.Typer()
    application.command()(simulate)
    outcome = CliRunner().invoke(application, arguments)
    assert outcome.exit_code == 2
    assert "error" in outcome.stderr


@pytest.mark.parametrize("form", list(WireForm))
def test_both_forms_obey_the_contract(form: WireForm) -> None:
    account = MqttEndpoint("broker", 1883, "sim-1", "key")
    reading = {"temperature": 1.5, "produced": 3, "is_open": True, "status": "idle"}
    topic, payload = encode(form, account, 7, 1_766_145_600_000_001, reading)
    if form is WireForm.FLAT:
        flat = FlatReading.model_validate_json(payload)
        assert topic == "devices/sim-1/data"
        assert (flat.device_id, flat.api_key, flat.sequence_no) == ("sim-1", "key", 7)
        assert flat.model_extra == reading
        assert flat.timestamp == "2025-12-19T12:00:00.000001Z"
    else:
        nested = AppReading.model_validate_json(payload)
        assert topic == "app/device/sim-1/telemetry"
        assert nested.telemetry == reading
        assert nested.timestamp == "2025-12-19T12:00:00.000001"


def test_credentials_are_private_and_kept(tmp_path: Path) -> None:
    Credentials(tmp_path / "data").keep({"sim-1": "secret"})
    path = tmp_path / "data" / KEYS_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    kept = Credentials(tmp_path / "data")
    assert "sim-1" in kept
    assert kept.key("sim-1") == "secret"
    with pytest.raises(CredentialsError, match="--register"):
        kept.key("sim-2")


@pytest.mark.parametrize("content", ["", "[]", "{", "7"])
def test_unreadable_credentials_are_told(tmp_path: Path, content: str) -> None:
    (tmp_path / KEYS_FILE).write_text(content)
    with pytest.raises(CredentialsError, match="delete it"):
        Credentials(tmp_path)


def test_the_summary_adds_up() -> None:
    devices = Figures(clients=2, generated=10, sent=9, acked=8, unconfirmed=1, dropped=1)
    agents = Figures(clients=1, generated=5, sent=7, acked=5, resent=2)
    summary = Summary(devices, agents, 60.0, 1, 20.0, 1.25)
    assert summary.is_drained
    document = json.loads(json.dumps(summary.as_json()))
    assert (document["generated"], document["sent"], document["acked"], document["duplicates_resent"]) == (
        15,
        16,
        13,
        2,
    )
    assert document["time_to_drain_seconds"] == 1.25
    assert document["devices"]["clients"] == 2


STACK = {
    "gateway_url": "http://127.0.0.1:8080",
    "mqtt": {"host": "127.0.0.1", "port": 1883, "tls_port": 8883, "ca_file": "/ca.pem"},
    "database_url": "postgresql://x",
    "redis_url": "redis://x",
    "admin": {"username": "admin", "password": "canary"},
    "services": {},
}


def test_the_stack_file_is_read_and_its_secrets_are_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "stack.json"
    path.write_text(json.dumps(STACK))
    stack = read_stack_file(path)
    assert (stack.mqtt.port, stack.admin.password) == (1883, "canary")
    assert "canary" not in repr(stack)


@pytest.mark.parametrize("content", ["", "{}", '{"gateway_url": 7}'])
def test_a_wrong_stack_file_is_told(tmp_path: Path, content: str) -> None:
    path = tmp_path / "stack.json"
    with pytest.raises(StackFileError, match="pulse up"):
        read_stack_file(path)
    path.write_text(content)
    with pytest.raises(StackFileError, match="is not what"):
        read_stack_file(path)
