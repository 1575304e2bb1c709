"""`pulse-agent sync …`: how sync stands, asking for one now, and what happened."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pulse_agent.command_line.options import Data, guarded, options_of

if TYPE_CHECKING:
    from pulse_agent.command_line.workstation import Workstation
    from pulse_agent.replica.journal import KeptConflict

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

sync = typer.Typer(no_args_is_help=True, help="People, roles and config between this desktop and the server.")


@sync.command("status")
def status(data: Data = None, as_json: Json = False) -> None:
    """Say how sync stands."""
    from pulse_agent.command_line.status import collect_status, status_table

    found = guarded(lambda: collect_status(options_of(data).data))
    if as_json:
        typer.echo(json.dumps(found.get("sync"), indent=2))
        return
    from rich.console import Console

    Console().print(status_table(found))


@sync.command("now")
def now(data: Data = None) -> None:
    """Have everything compared with the server as soon as possible."""
    from pulse_agent.command_line.run import lock_path
    from pulse_agent.outbox.lock import is_locked

    _with_replica(data, lambda workstation: workstation.replica.request_sync())
    if is_locked(lock_path(options_of(data).data)):
        typer.echo("The running agent compares everything now.")
    else:
        typer.echo("No agent is running: it is done when one starts.")


@sync.command("conflicts")
def conflicts(data: Data = None, as_json: Json = False) -> None:
    """List the changes made here that met another or were refused."""
    kept = _with_replica(data, lambda workstation: workstation.replica.conflicts())
    if as_json:
        typer.echo(json.dumps([_conflict(one) for one in kept], indent=2))
        return
    for one in kept:
        typer.echo(f"{_moment(one.at_ms)}  {one.sentence}")


@sync.command("notices")
def notices(
    data: Data = None,
    keep: Annotated[bool, typer.Option("--keep", help="Show them again next time.")] = False,
) -> None:
    """Say which changes made here did not stand, each once."""

    def work(workstation: Workstation) -> list[KeptConflict]:
        found = workstation.replica.notices()
        if not keep:
            workstation.replica.journal.mark_read([one.number for one in found])
        return found

    for one in _with_replica(data, work):
        typer.echo(f"{_moment(one.at_ms)}  {one.sentence}")


@sync.command("log")
def log(
    data: Data = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many lines.")] = 50,
    as_json: Json = False,
) -> None:
    """Show what sync did."""
    entries = _with_replica(data, lambda workstation: workstation.replica.journal.log(limit))
    for one in entries:
        row = f"{one.entity}/{one.row_id} " if one.entity else ""
        fields = {"at": _moment(one.at_ms), "kind": one.kind, "source": one.source, "status": one.status}
        if as_json:
            typer.echo(json.dumps({**fields, "entity": one.entity, "id": one.row_id, "detail": one.detail}))
        else:
            typer.echo("  ".join([*fields.values(), row + one.detail]))


def _with_replica(data: Path | None, work: Callable[[Workstation], Any]) -> Any:
    from pulse_agent.command_line.workstation import opened

    def act() -> Any:
        with opened(options_of(data).data) as workstation:
            return work(workstation)

    return guarded(act)


def _conflict(one: KeptConflict) -> dict[str, Any]:
    return {
        "at": _moment(one.at_ms),
        "entity": one.entity.value,
        "id": one.row_id,
        "outcome": one.outcome,
        "code": one.code,
        "detail": one.detail,
        "mine": one.desktop_fields,
        "my_stamp": one.desktop_stamp,
        "servers": one.server_row,
        "conflict_id": one.conflict_id,
        "sentence": one.sentence,
    }


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")
