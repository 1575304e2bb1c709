"""The command `pulse-agent`. Reads its options, calls one part, turns known errors into a sentence and an exit code."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from pulse_agent.command_line.editing_commands import config, login, roles, users
from pulse_agent.command_line.failures import FAILED
from pulse_agent.command_line.options import Data, fail, guarded, options_of
from pulse_agent.command_line.sync_commands import sync
from pulse_agent.configuration.key_store import KeyStore
from pulse_agent.settings import OUTBOX_FILE, agent_version

app = typer.Typer(
    pretty_exceptions_enable=False,  # they may print local variables, keys among them
    no_args_is_help=True,
    add_completion=False,
    help="Keeps readings on this disk until the server has them.",
)

app.command()(login)
app.add_typer(users, name="users")
app.add_typer(roles, name="roles")
app.add_typer(config, name="config")
app.add_typer(sync, name="sync")


@app.command()
def enroll(
    url: Annotated[str, typer.Argument(help="The server, for example https://pulse.example.org")],
    code: Annotated[str, typer.Argument(help="The one-time code that the server showed for this device.")],
    data: Data = None,
    ca: Annotated[Path | None, typer.Option("--ca", help="Authority of the server's certificate, a PEM file.")] = None,
    no_keyring: Annotated[bool, typer.Option("--no-keyring", help="Keep the key in a file in any case.")] = False,
) -> None:
    """Make this machine a device of the server, by a one-time code."""
    from pulse_agent.configuration.enrolment import EnrolmentError
    from pulse_agent.configuration.enrolment import enroll as enroll_device

    options = options_of(data)
    try:
        device = enroll_device(url, code, options.data, ca_file=ca, allow_keyring=not no_keyring)
    except (EnrolmentError, OSError) as error:
        fail(str(error), FAILED)
    typer.echo(f"This machine is now {device.name} ({device.device_id}).")
    if device.key_store == KeyStore.KEYRING:
        typer.echo("Its key is in the keyring of this user.")
    else:
        typer.echo(f"There is no keyring here: its key is in a file that only you may read, in {options.data}.")
    if device.tls_port is None:
        typer.echo("The broker is reached WITHOUT encryption (the server offers no TLS port).")


@app.command()
def run(  # noqa: PLR0913, PLR0917 -- one for each option of the command line
    data: Data = None,
    source: Annotated[
        list[str] | None,
        typer.Option("--source", help="host, simulated, lines or a plug-in, as name:key=value,… ; may be repeated."),
    ] = None,
    interval: Annotated[float | None, typer.Option("--interval", help="Seconds between samples.", min=0.01)] = None,
    log_level: Annotated[str | None, typer.Option("--log-level")] = None,
    log_format: Annotated[str | None, typer.Option("--log-format", help="json or console")] = None,
    await_enrolment: Annotated[
        bool | None,
        typer.Option("--await-enrolment", help="Not enrolled yet: wait for a window to do it, instead of ending."),
    ] = None,
    disable_command: Annotated[
        list[str] | None,
        typer.Option("--disable-command", help="A command that this machine never executes; may be repeated."),
    ] = None,
) -> None:
    """Take readings and deliver them until stopped."""
    from pulse_agent.command_line.process import become_agent

    options = options_of(
        data,
        sources=";".join(source) if source else None,
        interval=interval,
        log_level=log_level,
        log_format=log_format,
        await_enrolment=await_enrolment,
        disabled_commands=frozenset(disable_command) if disable_command else None,
    )
    guarded(lambda: become_agent(options))


@app.command()
def status(
    data: Data = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say how the agent is doing, running or not."""
    from pulse_agent.command_line.status import collect_status, status_table

    found = guarded(lambda: collect_status(options_of(data).data))
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    from rich.console import Console

    Console().print(status_table(found))


@app.command("export-quarantine")
def export_quarantine(
    file: Annotated[Path, typer.Argument(help="Where to write, one JSON object a line.")],
    data: Data = None,
    clear: Annotated[bool, typer.Option("--clear", help="Delete from the quarantine what was written.")] = False,
) -> None:
    """Write the readings that the server refused, or that were damaged on this disk, to a file."""
    from pulse_agent.outbox.inspection import export_quarantine as export

    path = options_of(data).data / OUTBOX_FILE
    count = guarded(lambda: export(path, file, clear=clear))
    typer.echo(f"{count} readings written to {file}" + (" and cleared." if clear and count else "."))


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(agent_version())


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    sys.exit(app())
