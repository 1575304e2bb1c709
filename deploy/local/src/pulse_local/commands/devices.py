"""`pulse devices`: list, register, import, new key, enrolment code, over the REST API as the administrator."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from pulse_local.api_client import ApiClient
from pulse_local.commands.display import out
from pulse_local.commands.stack_commands import Data
from pulse_local.data_directory import DEFAULT, DataDirectory
from pulse_local.stack_file import StackFile

app = typer.Typer(no_args_is_help=True, help="Devices: list, register, import, new key, enrolment code.")

DeviceId = Annotated[str, typer.Argument(help="The device's id: it names its topics and its broker account.")]
Name = Annotated[str, typer.Option("--name", help="What people call it; the id unless given.")]


def client(data: DataDirectory) -> ApiClient:
    """Sign in to the running stack."""
    return ApiClient(StackFile.read(data.stack_file))


@app.command("list")
def list_devices(data: Data = DEFAULT) -> None:
    """List all devices."""
    with client(DataDirectory.at(data)) as api:
        devices = api.devices()
    table = Table()
    for column in ("id", "name", "kind", "active"):
        table.add_column(column)
    for device in devices:
        active = "yes" if device.get("is_active") else "no"
        table.add_row(escape(str(device["id"])), escape(str(device["name"])), str(device.get("kind", "")), active)
    out.print(table)


@app.command()
def add(device_id: DeviceId, data: Data = DEFAULT, name: Name = "") -> None:
    """Register a device and print its API key, which is shown this once."""
    with client(DataDirectory.at(data)) as api:
        typer.echo(api.add_device(device_id, name or device_id)["api_key"])


@app.command("import")
def import_file(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="CSV: id,name,kind,groups,…")
    ],
    data: Data = DEFAULT,
) -> None:
    """Register the devices of a CSV file, and print CSV with their API keys, which are shown this once."""
    with client(DataDirectory.at(data)) as api:
        answer = api.import_devices(file.read_bytes())
    typer.echo(answer, nl=False)
    if any(row["status"] != "registered" for row in csv.DictReader(io.StringIO(answer))):
        raise typer.Exit(1)


@app.command()
def key(device_id: DeviceId, data: Data = DEFAULT) -> None:
    """Give a device a new API key and print it; the old one ends."""
    with client(DataDirectory.at(data)) as api:
        typer.echo(api.rotate_key(device_id)["api_key"])


@app.command("enroll-code")
def enroll_code(
    device_id: Annotated[str | None, typer.Argument(help="The id it will have; made up unless given.")] = None,
    data: Data = DEFAULT,
    name: Name = "",
    is_workstation: Annotated[
        bool, typer.Option("--workstation", help="People may be administered there, offline too.")
    ] = False,
) -> None:
    """Print a one-time code for `pulse-agent enroll URL CODE`."""
    kind = "workstation" if is_workstation else "desktop"
    with client(DataDirectory.at(data)) as api:
        typer.echo(api.enrolment_code(device_id, name or device_id or "agent", kind)["code"])
