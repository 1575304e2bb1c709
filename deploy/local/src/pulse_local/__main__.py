"""`pulse`: the operator's command line."""

from __future__ import annotations

from importlib import metadata

import typer

from pulse_local.commands import (
    admin,
    audit,
    backup,
    compose,
    demo,
    devices,
    doctor,
    releases,
    stack_commands,
    telemetry,
)
from pulse_local.commands.lazy_group import LazyGroup

app = typer.Typer(
    name="pulse",
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="PrecisionPulse on one machine: start it, look at it, feed it, stop it.",
)
app.command()(stack_commands.up)
app.command()(demo.demo)
app.command()(stack_commands.down)
app.command()(stack_commands.status)
app.command()(stack_commands.logs)
app.command()(doctor.doctor)
app.command()(backup.backup)
app.command()(backup.restore)
app.command()(telemetry.history)
app.command()(telemetry.export)
app.add_typer(devices.app, name="devices")
app.add_typer(audit.app, name="audit")
app.add_typer(admin.app, name="admin")
app.add_typer(compose.app, name="compose")
app.add_typer(releases.app, name="releases")


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(metadata.version("pulse-local"))


if __name__ == "__main__":
    app()
