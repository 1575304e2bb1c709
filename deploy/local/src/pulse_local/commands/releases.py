"""`pulse releases`: the key that signs desktop releases, and the signed manifest that a gateway serves."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from pulse_local.commands.display import err
from pulse_local.errors import StackError

app = typer.Typer(no_args_is_help=True, help="Desktop releases: a key, a signed manifest, a check of both.")

Packages = Annotated[Path, typer.Argument(help="The packages, as `make desktop` names them.")]
Keys = Annotated[Path, typer.Option("--keys", help="A set of public keys, as it is built into a package.")]


@app.command("key")
def make_key(file: Annotated[Path, typer.Argument(help="Where the private key is written, mode 0600.")]) -> None:
    """Make a release key, and print its public half as the set that goes into packages (PULSE_RELEASE_KEYS)."""
    from pulse_local.releases import new_key

    typer.echo(json.dumps({"keys": [new_key(file)]}))


@app.command("sign")
def sign(
    directory: Packages = Path("dist/desktop"),
    key_file: Annotated[Path | None, typer.Option("--key", help="The private key's file.")] = None,
    key: Annotated[str | None, typer.Option(envvar="PULSE_RELEASE_KEY", hidden=True)] = None,
    days: Annotated[int, typer.Option(min=1, max=730, help="How long the manifest is believed.")] = 90,
    changelog: Annotated[
        Path | None, typer.Option(help="Its section of the version is the English notes, without a notes.en.txt.")
    ] = None,
) -> None:
    """Write manifest.jws beside the packages. Again before it expires: then the same release is believed for longer.

    The key comes from --key or from the environment variable PULSE_RELEASE_KEY. notes.en.txt and notes.de.txt beside the
    packages are what people read.
    """
    from pulse_local.releases import sign_release, signing_key

    if key_file is not None:
        key = key_file.read_text(encoding="utf-8")
    if not key:
        raise StackError("no_key", "no release key was given", "--key FILE, or PULSE_RELEASE_KEY in the environment.")
    made = sign_release(directory, signing_key(key), timedelta(days=days), changelog)
    until = datetime.fromtimestamp(made.expires_at, UTC)
    err.print(
        f"[green]✔[/] {made.version} for {len(made.files)} kinds of machine, believed until {until:%Y-%m-%d %H:%M} UTC"
    )


@app.command("check")
def check(keys: Keys, directory: Packages = Path("dist/desktop")) -> None:
    """Check a directory as an agent does that has these keys: signature, expiry, every file."""
    from pulse_local.releases import check_release, trusted_keys

    found = check_release(directory, trusted_keys(keys))
    err.print(f"[green]✔[/] {found.version}: {', '.join(file.name for file in found.files)}", soft_wrap=True)
