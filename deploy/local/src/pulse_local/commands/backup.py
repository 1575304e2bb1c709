"""`pulse backup` and `pulse restore`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Final

import typer

from pulse_local.commands.display import err, out
from pulse_local.commands.stack_commands import Data
from pulse_local.data_directory import DEFAULT, DataDirectory

TARGET: Final = Path("pulse-backups")


def backup(
    target: Annotated[Path, typer.Argument(help="Where backups are kept, each in a directory of its own.")] = TARGET,
    data: Data = DEFAULT,
    keep: Annotated[int | None, typer.Option("--keep", min=1, help="Delete all but the newest so many.")] = None,
) -> None:
    """Back up the running stack: database, accounts, certificates, secrets. Prints the new directory.

    Whoever can read a backup can be the stack: keep it where only you may read it.
    """
    from pulse_local.backup.make import forget_old, make_backup

    began = time.monotonic()
    with err.status("backing up") as status:
        made = make_backup(DataDirectory.at(data), target, lambda step: status.update(f"backing up {step}"))
    size, seconds = _size(made.manifest.bytes), time.monotonic() - began
    err.print(f"[green]✔[/] {size} in {seconds:.0f} s, {made.entries} entries on their way")
    for old in forget_old(target, keep) if keep is not None else []:
        err.print(f"deleted {old}", soft_wrap=True)
    out.print(str(made.path), soft_wrap=True)


def restore(
    source: Annotated[Path, typer.Argument(help="A directory that `pulse backup` made.")],
    data: Annotated[Path, typer.Option("--data", help="A directory that does not exist yet.")],
) -> None:
    """Make a stack of a backup. Start it with `pulse up --data …` then."""
    from pulse_local.backup.restore import restore_backup

    began = time.monotonic()
    with err.status("restoring") as status:
        manifest = restore_backup(source, data, lambda step: status.update(f"restoring {step}"))
    size, seconds = _size(manifest.bytes), time.monotonic() - began
    err.print(f"[green]✔[/] {size} of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC restored in {seconds:.0f} s")
    err.print(f"  start it with `pulse up --data {data}`", soft_wrap=True)


def _size(count: int) -> str:
    return f"{count / 2**20:,.1f} MiB"
