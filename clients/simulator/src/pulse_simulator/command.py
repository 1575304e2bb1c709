"""`pulse simulate`: a fleet of simulated devices and agents against a running stack.

It registers what is missing, runs the fleet, and prints a summary. The first Ctrl-C (or SIGTERM) ends generation and
drains, the second gives up. Exit code: 0, 1 when something is outstanding at the end, 2 when the run cannot be done
as asked.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from pulse_chassis.logging import configure_logging
from pulse_chassis.mqtt import MqttEndpoint
from pulse_simulator.command_options import with_options
from pulse_simulator.figures import Summary
from pulse_simulator.fleet import Fleet
from pulse_simulator.gateway_session import GatewaySession
from pulse_simulator.outages import InvalidScheduleError, parse_duration, parse_schedule
from pulse_simulator.plan import FleetPlan, PlanError, allow_open_files
from pulse_simulator.progress import RunDisplay, summary_table
from pulse_simulator.registry import Credentials, CredentialsError, register
from pulse_simulator.stack_file import DEFAULT_PATH, StackFile, StackFileError, read_stack_file

PLAIN_KIND: Final = "esp32"
AGENT_KIND: Final = "agent"
_USAGE: Final = 2


@dataclass(frozen=True, slots=True)
class SimulateOptions:
    """What can be given on the command line."""

    devices: Annotated[int, typer.Option("--devices", "-n", help="ESP32-style devices: plain MQTT, no outbox.")] = 0
    agents: Annotated[int, typer.Option("--agents", "-m", help="Agents with a real outbox and delivery.")] = 0
    rate: Annotated[float, typer.Option(help="Readings a second of each.")] = 1.0
    duration: Annotated[str, typer.Option(help="How long they measure: 500ms, 60s, 5m, 1h.")] = "60s"
    outage: Annotated[
        list[str] | None,
        typer.Option(help="DURATION@START[:cut|up|down|reset], for example 20s@15s; give it once for each outage."),
    ] = None
    drain_timeout: Annotated[str, typer.Option(help="How long to wait for what is outstanding.")] = "120s"
    jitter: Annotated[bool, typer.Option(help="Let each beat be early or late.")] = False
    seed: Annotated[int, typer.Option(help="The same seed measures the same values.")] = 0
    prefix: Annotated[str, typer.Option(help="How the devices' ids begin.")] = "sim"
    oracle: Annotated[Path | None, typer.Option(help="Write down every reading before and after it was accepted.")] = (
        None
    )
    data: Annotated[Path, typer.Option(help="Where outboxes and credentials are kept.")] = Path(".pulse/simulator")
    reuse: Annotated[
        bool, typer.Option("--reuse/--register", help="Use kept credentials; ask the gateway nothing.")
    ] = False
    mqtt: Annotated[str | None, typer.Option(help="HOST:PORT of the broker; the stack's unless given.")] = None
    stack: Annotated[Path, typer.Option(help="The running stack's file.")] = DEFAULT_PATH
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False
    log_level: Annotated[str, typer.Option(help="What the agents log to stderr.")] = "ERROR"

    def plan(self) -> FleetPlan:
        """Return what to do; raise PlanError or InvalidScheduleError."""
        return FleetPlan(
            devices=self.devices,
            agents=self.agents,
            rate_hz=self.rate,
            duration=parse_duration(self.duration),
            outages=parse_schedule(self.outage or ()),
            drain_timeout=parse_duration(self.drain_timeout),
            has_jitter=self.jitter,
            seed=self.seed,
            prefix=self.prefix,
            data=self.data,
            oracle=self.oracle,
        )


@with_options(SimulateOptions)
def simulate(options: SimulateOptions) -> None:
    """Simulate a fleet of devices and agents, cut their link on demand, and count what arrived."""
    console = Console(stderr=True, highlight=False)
    configure_logging("simulator", options.log_level, "console")
    try:
        plan = options.plan()
        allow_open_files(plan.open_files)
        summary = asyncio.run(_run(plan, options, console))
    except (PlanError, InvalidScheduleError, StackFileError, CredentialsError) as error:
        console.print(f"[bold red]error[/] {error}", markup=True)
        raise typer.Exit(_USAGE) from None
    if options.json:
        sys.stdout.write(json.dumps(summary.as_json()) + "\n")
    else:
        Console(highlight=False).print(summary_table(summary))
    raise typer.Exit(0 if summary.is_drained else 1)


command = simulate
"""The name under which `pulse` mounts it."""


async def _run(plan: FleetPlan, options: SimulateOptions, console: Console) -> Summary:
    credentials = Credentials(plan.data)
    ids = [*plan.device_ids, *plan.agent_ids]
    stack = None if options.reuse and options.mqtt else read_stack_file(options.stack)
    if stack is not None and not options.reuse:
        await _register(plan, stack, credentials, console)
    fleet = Fleet(plan, _broker(options.mqtt, stack), {device_id: credentials.key(device_id) for device_id in ids})
    _take_signals(fleet, console)
    showing = asyncio.create_task(RunDisplay(fleet, plan, console).show())
    try:
        return await fleet.run()
    finally:
        showing.cancel()
        with suppress(asyncio.CancelledError):
            await showing


async def _register(plan: FleetPlan, stack: StackFile, credentials: Credentials, console: Console) -> None:
    admin = stack.admin
    total = plan.devices + plan.agents
    async with GatewaySession(stack.gateway_url, admin.username, admin.password) as session:
        with console.status("registering devices") as status:
            done = 0

            def on_progress(more: int) -> None:
                nonlocal done
                done += more
                status.update(f"registering devices: {done:,} of {total:,}")

            kinds: Iterable[tuple[str, list[str]]] = ((PLAIN_KIND, plan.device_ids), (AGENT_KIND, plan.agent_ids))
            for kind, ids in kinds:
                if ids:
                    await register(session, credentials, ids, kind, on_progress)


def _broker(given: str | None, stack: StackFile | None) -> MqttEndpoint:
    if given is None:
        if stack is None or stack.mqtt.port is None:
            raise PlanError("the stack offers no plain MQTT port: give one with --mqtt HOST:PORT")
        return MqttEndpoint(stack.mqtt.host, stack.mqtt.port)
    host, _, port = given.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise PlanError(f"{given!r} is not HOST:PORT")
    return MqttEndpoint(host.strip("[]"), int(port))


def _take_signals(fleet: Fleet, console: Console) -> None:
    def on_signal() -> None:
        if fleet.stop.is_set():
            fleet.abandon.set()
        else:
            console.print("stopping: draining what is outstanding; once more gives up")
            fleet.stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        if os.name == "posix":
            loop.add_signal_handler(number, on_signal)
