"""A real Prometheus over the running stack: every metric that a rule or a panel asks for is there, and a fault is found.

Prometheus has the configuration and rules of deploy/, only quicker: it asks and judges each second, and waits 2 s where
a rule says a minute or more.
"""

import asyncio
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from pulse_local.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "deploy/k8s/precisionpulse/files"
RULES = ("recording.yaml", "alerts.yaml")
sys.path.insert(0, str(ROOT / "deploy/observability"))

COUNTED = {
    "gateway_connections": "sockets",
    "gateway_devices": "devices",
    "gateway_desktops": "desktops",
    "gateway_buffered_readings": "readings",
    "gateway_stream_connected": "1 or 0",
    "gateway_sync_lag_entries": "entries",
    "gateway_sync_lag_most_entries": "entries",
    "gateway_sync_config_lag_entries": "entries",
    "gateway_sync_pending_edits": "edits",
    "gateway_sync_open_conflicts": "conflicts",
    "identity_broker_accounts_missing": "accounts",
    "identity_password_checks_pending": "checks",
    "ingest_queue_depth": "messages",
}
"""Gauges that count things, and so have no unit to end in."""
LABELS = {"method", "route", "status", "le", "form", "outcome", "code", "renewed", "kind", "state", "type", "stream"}
"""Each takes few values, known beforehand: enumerations, route templates, streams."""
LIBRARY = ("process_", "python_")
MOST_SERIES = 400
"""Of one family in one process; of http_request_seconds it is 15 for each route that was called."""


class Prometheus:
    """A server of its own, asked by its HTTP API."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def query(self, expression: str) -> list[dict]:
        try:
            answer = await self._http.get("/api/v1/query", params={"query": expression})
        except httpx.TransportError:
            return []
        return answer.json()["data"]["result"] if answer.status_code == 200 else []

    async def firing(self) -> dict[str, dict[str, str]]:
        """The alerts that fire now, by name and job, with their annotations."""
        answer = await self._http.get("/api/v1/alerts")
        found = [alert for alert in answer.json()["data"]["alerts"] if alert["state"] == "firing"]
        return {
            f"{alert['labels']['alertname']} {alert['labels'].get('job', '')}".strip(): alert["annotations"]
            for alert in found
        }


def quick_configuration(folder: Path, services: dict[str, dict]) -> Path:
    """Write what compose.yaml gives to Prometheus, with this stack's addresses and short times."""
    folder.mkdir()
    configuration = yaml.safe_load((ROOT / "deploy/docker/prometheus.yml").read_text(encoding="utf-8"))
    configuration["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    jobs = {job["job_name"]: job for job in configuration["scrape_configs"]}
    assert jobs.keys() == services.keys()
    for name, job in jobs.items():
        job["static_configs"] = [{"targets": [services[name]["url"].removeprefix("http://")]}]
    for name in configuration["rule_files"]:
        rules = yaml.safe_load((FILES / name).read_text(encoding="utf-8"))
        for rule in (rule for group in rules["groups"] for rule in group["rules"] if "for" in rule):
            rule["for"] = "2s"
        (folder / name).write_text(yaml.safe_dump(rules), encoding="utf-8")
    assert sorted(configuration["rule_files"]) == sorted(RULES)
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(configuration), encoding="utf-8")
    return file


@asynccontextmanager
async def running_prometheus(folder: Path, services: dict[str, dict]) -> AsyncIterator[Prometheus]:
    file = quick_configuration(folder, services)
    address = f"127.0.0.1:{free_ports(1)[0]}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["prometheus", f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}",
             f"--web.listen-address={address}"],
            stdout=log,
            stderr=log,
        )  # fmt: skip
    try:
        async with httpx.AsyncClient(base_url=f"http://{address}", timeout=10) as http:
            yield Prometheus(http)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@asynccontextmanager
async def killed_again_and_again(stack, part: str) -> AsyncIterator[None]:
    """Kill a part, and whatever the supervisor starts in its place, for as long as the block runs."""

    async def kill() -> None:
        while True:
            with suppress(ProcessLookupError):  # It was gone before the supervisor's notes said so.
                await stack.kill(part)
            await asyncio.sleep(0.05)

    killing = asyncio.create_task(kill())
    try:
        yield
    finally:
        killing.cancel()
        with suppress(asyncio.CancelledError):
            await killing


def first_command(runbook: Path) -> str:
    """The first command that a page tells to run on one machine."""
    look = runbook.read_text(encoding="utf-8").split("## Look")[1]
    found = re.search(r"`(pulse [^`]+)`", look)
    assert found is not None, runbook
    return found[1]


def run_as_written(command: str, data: Path, folder: Path) -> str:
    """Run it where its default, the directory .pulse, is this stack's."""
    folder.mkdir()
    (folder / ".pulse").symlink_to(data)
    program, *arguments = shlex.split(command)
    done = subprocess.run(
        [str(Path(sys.executable).with_name(program)), *arguments],
        cwd=folder,
        env=os.environ | {"COLUMNS": "160", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


async def test_killing_ingest_fires_its_alert_and_the_runbook_leads_to_the_cause(
    stack, eventually: Callable, tmp_path: Path
) -> None:
    async with running_prometheus(tmp_path / "prometheus", stack.description["services"]) as prometheus:

        async def all_are_up() -> bool:
            return len(await prometheus.query("up == 1")) == 6

        await eventually(all_are_up, what="Prometheus scrapes all six services")
        assert "PulseServiceDown ingest" not in await prometheus.firing()

        async with killed_again_and_again(stack, "ingest"):

            async def fires() -> dict[str, str] | None:
                return (await prometheus.firing()).get("PulseServiceDown ingest")

            annotations = await eventually(fires, what="the alert about ingest fires")
            command = first_command(ROOT / "docs/runbooks/PulseServiceDown.md")
            said = await asyncio.to_thread(run_as_written, command, stack.data, tmp_path / "where")
        assert annotations["summary"] == "ingest cannot be scraped: no process of it answers"
        # The cause: killed from outside, which is what the page says of this code.
        (line,) = [line for line in said.splitlines() if " ingest " in line]
        assert "ended with code -9" in line, said
        assert "Code -9: it was killed" in (ROOT / "docs/runbooks/PulseServiceDown.md").read_text(encoding="utf-8")

        async def is_quiet() -> bool:
            return await all_are_up() and "PulseServiceDown ingest" not in await prometheus.firing()

        await eventually(is_quiet, what="the alert ends with the fault")


@pytest.fixture
async def scraped(stack) -> dict[str, list]:
    """What every service exports, after some devices sent something."""
    await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "pulse_local", "simulate", "--stack", str(stack.data / "stack.json"), "--devices", "3",
         "--rate", "5", "--duration", "2s", "--prefix", "scraped", "--data", str(stack.data / "scraped")],
        check=True,
        capture_output=True,
    )  # fmt: skip
    texts = {}
    async with httpx.AsyncClient(timeout=30) as http:
        for name, address in stack.description["services"].items():
            texts[name] = (await http.get(f"{address['url']}/metrics")).text
    checked = [
        (
            name,
            subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False),
        )
        for name, text in texts.items()
    ]
    assert [(name, done.stdout + done.stderr) for name, done in checked if done.returncode] == []
    return {name: list(text_string_to_metric_families(text)) for name, text in texts.items()}


def asked_for() -> Iterable[str]:
    import json

    from metric_names import PROMETHEUS_OWN, names_in

    rules = [
        rule
        for name in RULES
        for group in yaml.safe_load((FILES / name).read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
    ]
    asked = [rule["expr"] for rule in rules]
    for file in (FILES / "dashboards").glob("*.json"):
        board = json.loads(file.read_text(encoding="utf-8"))
        asked += [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    recorded = {rule.get("record") for rule in rules}
    return sorted({name for text in asked for name in names_in(text)} - recorded - PROMETHEUS_OWN)


async def test_services_export_what_rules_and_dashboards_ask_for_named_by_unit_and_few(scraped) -> None:
    exported, wrong = set(), []
    for service, families in scraped.items():
        for family in families:
            exported |= {family.name, *(f"{family.name}_{part}" for part in ("total", "bucket", "count", "sum"))}
            if family.name.startswith(LIBRARY):
                continue
            if family.type == "gauge" and not family.name.endswith(("_seconds", "_bytes", "_ratio")):
                if family.name not in COUNTED:
                    wrong.append(f"{service}: {family.name} does not end in its unit")
            elif family.type == "histogram" and not family.name.endswith("_seconds"):
                wrong.append(f"{service}: {family.name} does not end in its unit")
            elif family.type == "counter" and not all(s.name.endswith("_total") for s in family.samples):
                wrong.append(f"{service}: {family.name} does not end in _total")
            labels = {label for sample in family.samples for label in sample.labels}
            if not labels <= LABELS:
                wrong.append(f"{service}: {family.name} has labels {sorted(labels - LABELS)}")
            if any("scraped" in value for sample in family.samples for value in sample.labels.values()):
                wrong.append(f"{service}: {family.name} names a device")
            if len(family.samples) > MOST_SERIES and family.name != "http_request_seconds":
                wrong.append(f"{service}: {family.name} has {len(family.samples)} series")
            if not family.documentation:
                wrong.append(f"{service}: {family.name} says nothing about itself")
    assert wrong == []
    assert [name for name in asked_for() if name not in exported] == []
