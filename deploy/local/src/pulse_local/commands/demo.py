"""`pulse demo`: the whole product on this machine, fed with its own readings, until Ctrl-C."""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
from contextlib import suppress
from typing import Annotated

import typer
from rich.markup import escape

from pulse_local.api_client import ApiClient
from pulse_local.commands.display import StartDisplay, err, out
from pulse_local.commands.stack_commands import (
    PARTS,
    Data,
    MqttPort,
    Port,
    already_runs,
    log_to_file,
    show_ready,
)
from pulse_local.data_directory import DEFAULT, DataDirectory
from pulse_local.demo_devices import agent_blueprint, agent_device_id, devices_blueprint
from pulse_local.errors import StackError
from pulse_local.stack_file import StackFile
from pulse_local.stack_ports import WantedPorts
from pulse_local.supervisor.signals import run_until_signal
from pulse_local.supervisor.supervisor import StackOptions, Supervisor

_GUESTS = 2
_GUESTS_READY_SECONDS = 60.0
_STATUS_SECONDS = 5.0


def demo(
    data: Data = DEFAULT,
    port: Port = None,
    mqtt_port: MqttPort = None,
    seconds: Annotated[float | None, typer.Option(min=1, help="Stop by itself after so many seconds.")] = None,
) -> None:
    """Start everything, feed it this machine's readings and three simulated devices, and show them live."""
    directory = DataDirectory.at(data)
    if already_runs(directory):
        raise StackError(
            "stack_running",
            f"A stack already runs on {directory.root}.",
            "Look at it with `pulse watch`, or stop it with `pulse down` first.",
        )
    log_to_file(directory)
    with StartDisplay(PARTS + _GUESTS) as display:
        supervisor = Supervisor(StackOptions(data, WantedPorts(gateway=port, mqtt=mqtt_port)), display.update)

        async def when_ready(stop: asyncio.Event) -> None:
            stack = supervisor.stack
            guests = [
                supervisor.add(agent_blueprint(directory, stack)),
                supervisor.add(devices_blueprint(directory)),
            ]
            await asyncio.gather(*(guest.until_ready(_GUESTS_READY_SECONDS) for guest in guests))
            display.finish()
            show_ready(directory, "PrecisionPulse is ready; Ctrl-C stops it", always_password=True)
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await _show_live(directory, stack, stop)
            stop.set()

        asyncio.run(run_until_signal(supervisor, when_ready))
    err.print("stopped")


async def _show_live(directory: DataDirectory, stack: StackFile, stop: asyncio.Event) -> None:
    if sys.stdout.isatty() and sys.stdin.isatty():
        await _watch(directory, stop)
    else:
        await _report(directory, stack, stop)


async def _watch(directory: DataDirectory, stop: asyncio.Event) -> None:
    """Run `pulse watch` on this terminal; when the person leaves it, the demo is over."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pulse_local", "watch", "--data", str(directory.root)
    )
    ended, told = asyncio.create_task(process.wait()), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({ended, told}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ended.cancel()
        told.cancel()
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _report(directory: DataDirectory, stack: StackFile, stop: asyncio.Event) -> None:
    """Print one line of figures every few seconds, for logs and pipes."""
    with ApiClient(stack) as api:
        while not stop.is_set():
            try:
                line = await asyncio.to_thread(_figures, api, agent_device_id(directory))
            except StackError as error:
                line = f"no figures: {error.message}"
            out.print(escape(f"{dt.datetime.now().astimezone():%H:%M:%S}  {line}"), soft_wrap=True)
            with suppress(TimeoutError):
                async with asyncio.timeout(_STATUS_SECONDS):
                    await stop.wait()


def _figures(api: ApiClient, agent: str) -> str:
    summary, latest = api.summary(), api.latest(agent)
    own = ", ".join(f"{name} {latest.get(f'{name}_percent', '?')} %" for name in ("cpu", "memory", "disk"))
    return (
        f"{agent}: {own}   devices online {summary['active_devices']} of {summary['devices']},"
        f" buffered {summary['buffered_records']}, system {summary['system_status']}"
    )
