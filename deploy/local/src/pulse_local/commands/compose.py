"""`pulse compose`: what compose.yaml needs beside the images, made by the same code that prepares the embedded stack."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated

import typer

from pulse_local.certificates import CertificateFiles
from pulse_local.commands.display import err
from pulse_local.compose_secrets import BROKER_PLAIN_PORT, is_a_public_name, write_broker_files, write_secrets

app = typer.Typer(no_args_is_help=True, help="Secrets and the broker's files for compose.yaml.")

_SECONDS = 2.0


@app.command("secrets")
def secrets(
    directory: Annotated[Path, typer.Option(help="Where compose.yaml looks for them.")] = Path("deploy/docker/secrets"),
    host: Annotated[
        str, typer.Option(envvar="PULSE_PUBLIC_HOST", help="Host name or address that devices connect to.")
    ] = "localhost",
) -> None:
    """Make random secrets, keys and certificates, once; a second call only completes what is missing."""
    if not is_a_public_name(host):
        raise typer.BadParameter("a host name or an IPv4 address, without scheme and port", param_hint="--host")
    names = write_secrets(directory, host)
    err.print(f"[green]✔[/] {len(names)} files in {directory}; the administrator's password is in admin_password")


@app.command("broker")
def broker(
    data: Annotated[Path, typer.Option(help="The broker's volume.")],
    secrets_directory: Annotated[Path, typer.Option("--secrets", help="Where the secrets are mounted.")] = Path(
        "/run/secrets"
    ),
    plugin: Annotated[Path, typer.Option(help="The dynamic-security plugin in the broker's image.")] = Path(
        "/usr/lib/mosquitto_dynamic_security.so"
    ),
    host: Annotated[str, typer.Option(help="The broker: nothing is written while it runs.")] = "mosquitto",
) -> None:
    """Write the broker's configuration, rules and service accounts before it starts."""
    if _is_listening(host):
        err.print("the broker runs: its files stay as they are")
        return
    certificates = CertificateFiles(
        secrets_directory / "broker_ca", secrets_directory / "broker_certificate", secrets_directory / "broker_key"
    )
    write_broker_files(data, secrets_directory / "broker_accounts", plugin, certificates)
    err.print("[green]✔[/] the broker's files are written")


def _is_listening(host: str) -> bool:
    try:
        with socket.create_connection((host, BROKER_PLAIN_PORT), timeout=_SECONDS):
            return True
    except OSError:
        return False
