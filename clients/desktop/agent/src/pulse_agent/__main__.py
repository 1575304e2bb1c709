"""The command `pulse-agent`. Reads its options, calls one part, turns known errors into a sentence and an exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, NoReturn, TypeVar

import typer
from pydantic import ValidationError

from pulse_agent.configuration.device import NotEnrolledError
from pulse_agent.configuration.key_store import KeyMissingError, KeyStore
from pulse_agent.configuration.options import AgentOptions
from pulse_agent.migrations import NewerDatabaseError
from pulse_agent.outbox.inspection import OutboxUnreadableError
from pulse_agent.outbox.lock import OutboxInUseError
from pulse_agent.settings import OUTBOX_FILE, agent_version
from pulse_agent.sources.source import UnknownSourceError

FAILED: Final = 1
USAGE: Final = 2
NOT_ENROLLED: Final = 3
IN_USE: Final = 4
_EXIT_CODES: Final[dict[type[Exception], int]] = {
    NotEnrolledError: NOT_ENROLLED,
    KeyMissingError: NOT_ENROLLED,
    OutboxInUseError: IN_USE,
    UnknownSourceError: USAGE,
    OutboxUnreadableError: FAILED,
    NewerDatabaseError: FAILED,
}

T = TypeVar("T")

app = typer.Typer(
    pretty_exceptions_enable=False,  # they may print local variables, keys among them
    no_args_is_help=True,
    add_completion=False,
    help="Keeps readings on this disk until the server has them.",
)

Data = Annotated[Path | None, typer.Option("--data", help="The agent's folder (PULSE_AGENT_DATA).")]


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

    options = _options(data)
    try:
        device = enroll_device(url, code, options.data, ca_file=ca, allow_keyring=not no_keyring)
    except (EnrolmentError, OSError) as error:
        _fail(str(error), FAILED)
    typer.echo(f"This machine is now {device.name} ({device.device_id}).")
    if device.key_store == KeyStore.KEYRING:
        typer.echo("Its key is in the keyring of this user.")
    else:
        typer.echo(f"There is no keyring here: its key is in a file that only you may read, in {options.data}.")
    if device.tls_port is None:
        typer.echo("The broker is reached WITHOUT encryption (the server offers no TLS port).")


@app.command()
def run(
    data: Data = None,
    source: Annotated[
        list[str] | None,
        typer.Option("--source", help="host, simulated, lines or a plug-in, as name:key=value,… ; may be repeated."),
    ] = None,
    interval: Annotated[float | None, typer.Option("--interval", help="Seconds between samples.", min=0.01)] = None,
    log_level: Annotated[str | None, typer.Option("--log-level")] = None,
    log_format: Annotated[str | None, typer.Option("--log-format", help="json or console")] = None,
    disable_command: Annotated[
        list[str] | None,
        typer.Option("--disable-command", help="A command that this machine never executes; may be repeated."),
    ] = None,
) -> None:
    """Take readings and deliver them until stopped."""
    from pulse_agent.command_line.run import run_agent

    options = _options(
        data,
        sources=";".join(source) if source else None,
        interval=interval,
        log_level=log_level,
        log_format=log_format,
        disabled_commands=frozenset(disable_command) if disable_command else None,
    )
    _guarded(lambda: run_agent(options))


@app.command()
def status(
    data: Data = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say how the agent is doing, running or not."""
    from pulse_agent.command_line.status import collect_status, status_table

    found = _guarded(lambda: collect_status(_options(data).data))
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

    path = _options(data).data / OUTBOX_FILE
    count = _guarded(lambda: export(path, file, clear=clear))
    typer.echo(f"{count} readings written to {file}" + (" and cleared." if clear and count else "."))


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(agent_version())


def _options(data: Path | None, **given: str | float | frozenset[str] | None) -> AgentOptions:
    values: dict[str, object] = {key: value for key, value in {"data": data, **given}.items() if value is not None}
    try:
        return AgentOptions.read(**values)
    except ValidationError as error:
        first = error.errors()[0]
        _fail(f"option {'.'.join(map(str, first['loc']))}: {first['msg']}", USAGE)


def _guarded(work: Callable[[], T]) -> T:
    try:
        return work()
    except tuple(_EXIT_CODES) as error:
        _fail(str(error), _EXIT_CODES[type(error)])
    except OSError as error:
        _fail(str(error), FAILED)


def _fail(message: str, code: int) -> NoReturn:
    typer.echo(f"pulse-agent: {message}", err=True)
    raise typer.Exit(code)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    sys.exit(app())
