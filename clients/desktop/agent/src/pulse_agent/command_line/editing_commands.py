"""`pulse-agent login | users … | roles … | config …`: people, roles and this desktop's config, with or without the server.

Every command signs somebody in first: `--user` and a password, or `--password-stdin` (the first line; a new password is
the second).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pulse_agent.command_line.options import Data, guarded, options_of

if TYPE_CHECKING:
    from pulse_agent.command_line.workstation import Passwords, Workstation
    from pulse_agent.local_access.session import LocalSession
    from pulse_agent.replica.rows import ReplicaRow

User = Annotated[str | None, typer.Option("--user", "-u", help="Who signs in.")]
Stdin = Annotated[bool, typer.Option("--password-stdin", help="Read passwords from standard input, one a line.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help="Name or id.")]

users = typer.Typer(no_args_is_help=True, help="People in this desktop's scope.")
roles = typer.Typer(no_args_is_help=True, help="Roles and what they allow.")
config = typer.Typer(no_args_is_help=True, help="This desktop's configuration.")

Work = Callable[["Workstation", "LocalSession", "Passwords"], Any]


def login(data: Data = None, user: User = None, password_stdin: Stdin = False, as_json: Json = False) -> None:
    """Try a sign-in on this desktop, and say what it would allow."""

    def work(_: Workstation, session: LocalSession, __: Passwords) -> dict[str, Any]:
        return {
            "user": session.username,
            "roles": list(session.roles),
            "permissions": sorted(session.permissions),
            "lease_until": session.lease_until.isoformat(timespec="seconds"),
        }

    found = _signed_in(data, user, password_stdin, work)
    if as_json:
        typer.echo(json.dumps(found))
        return
    typer.echo(
        f"{found['user']} may sign in here until {found['lease_until']}, as {', '.join(found['roles']) or 'nobody'}."
    )


# -- users --------------------------------------------------------------------------------------------------------------


@users.command("list")
def list_users(data: Data = None, user: User = None, password_stdin: Stdin = False, as_json: Json = False) -> None:
    """List the users."""
    _show(_signed_in(data, user, password_stdin, lambda w, s, _: _listed(w.editor.users(s))), as_json)


@users.command("show")
def show_user(
    name: Name, data: Data = None, user: User = None, password_stdin: Stdin = False, as_json: Json = False
) -> None:
    """Show one user."""

    def work(w: Workstation, s: LocalSession, _: Passwords) -> list[dict[str, Any]]:
        wanted = w.find("users", name).id
        return _listed({row_id: row for row_id, row in w.editor.users(s).items() if row_id == wanted})

    _show(_signed_in(data, user, password_stdin, work), as_json)


@users.command("create")
def create_user(
    name: Annotated[str, typer.Argument(help="The new username.")],
    data: Data = None,
    user: User = None,
    password_stdin: Stdin = False,
    email: Annotated[str | None, typer.Option("--email")] = None,
    role: Annotated[list[str] | None, typer.Option("--role", help="A role's name; may be repeated.")] = None,
) -> None:
    """Make a user; the server hears of it when it is reached."""

    def work(w: Workstation, s: LocalSession, passwords: Passwords) -> str:
        given = [w.find("roles", one).id for one in role or ()]
        return w.editor.create_user(s, name, passwords.new(), email, given)

    _edit(data, user, password_stdin, work)


@users.command("edit")
def edit_user(
    name: Name,
    data: Data = None,
    user: User = None,
    password_stdin: Stdin = False,
    username: Annotated[str | None, typer.Option("--username", help="Another name.")] = None,
    email: Annotated[str | None, typer.Option("--email", help="Another e-mail; empty removes it.")] = None,
) -> None:
    """Change a user's name or e-mail."""
    _edit(data, user, password_stdin, lambda w, s, _: w.editor.edit_user(s, w.find("users", name).id, username, email))


@users.command("disable")
def disable_user(name: Name, data: Data = None, user: User = None, password_stdin: Stdin = False) -> None:
    """Disable a user, here at once."""
    _edit(data, user, password_stdin, lambda w, s, _: w.editor.set_active(s, w.find("users", name).id, is_active=False))


@users.command("enable")
def enable_user(name: Name, data: Data = None, user: User = None, password_stdin: Stdin = False) -> None:
    """Enable a user."""
    _edit(data, user, password_stdin, lambda w, s, _: w.editor.set_active(s, w.find("users", name).id, is_active=True))


@users.command("delete")
def delete_user(name: Name, data: Data = None, user: User = None, password_stdin: Stdin = False) -> None:
    """Delete a user."""
    _edit(data, user, password_stdin, lambda w, s, _: w.editor.delete_user(s, w.find("users", name).id))


@users.command("set-password")
def set_password(name: Name, data: Data = None, user: User = None, password_stdin: Stdin = False) -> None:
    """Give a user a new password."""
    _edit(data, user, password_stdin, lambda w, s, p: w.editor.set_password(s, w.find("users", name).id, p.new()))


@users.command("roles")
def change_user_roles(
    name: Name,
    data: Data = None,
    user: User = None,
    password_stdin: Stdin = False,
    add: Annotated[list[str] | None, typer.Option("--add", help="A role to give.")] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", help="A role to take away.")] = None,
) -> None:
    """Give and take roles."""

    def work(w: Workstation, s: LocalSession, _: Passwords) -> None:
        gives, takes = ([w.find("roles", one).id for one in names or ()] for names in (add, remove))
        w.editor.change_roles(s, w.find("users", name).id, gives, takes)

    _edit(data, user, password_stdin, work)


# -- roles --------------------------------------------------------------------------------------------------------------


@roles.command("list")
def list_roles(data: Data = None, user: User = None, password_stdin: Stdin = False, as_json: Json = False) -> None:
    """List the roles."""
    _show(_signed_in(data, user, password_stdin, lambda w, s, _: _listed(w.editor.roles(s))), as_json)


@roles.command("create")
def create_role(
    name: Annotated[str, typer.Argument(help="The new role's name.")],
    data: Data = None,
    user: User = None,
    password_stdin: Stdin = False,
    description: Annotated[str, typer.Option("--description")] = "",
    permission: Annotated[list[str] | None, typer.Option("--permission", help="May be repeated.")] = None,
) -> None:
    """Make a role."""
    _edit(data, user, password_stdin, lambda w, s, _: w.editor.create_role(s, name, description, permission or ()))


@roles.command("edit")
def edit_role(
    name: Name,
    data: Data = None,
    user: User = None,
    password_stdin: Stdin = False,
    rename: Annotated[str | None, typer.Option("--name", help="Another name.")] = None,
    description: Annotated[str | None, typer.Option("--description")] = None,
) -> None:
    """Change a role's name or description."""
    _edit(
        data, user, password_stdin, lambda w, s, _: w.editor.edit_role(s, w.find("roles", name).id, rename, description)
    )


@roles.command("permissions")
def change_permissions(
    name: Name,
    data: Data = None,
    user: User = None,
    password_stdin: Stdin = False,
    add: Annotated[list[str] | None, typer.Option("--add", help="A permission to put in.")] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", help="A permission to take out.")] = None,
) -> None:
    """Change what a role allows."""

    def work(w: Workstation, s: LocalSession, _: Passwords) -> None:
        w.editor.change_permissions(s, w.find("roles", name).id, add or (), remove or ())

    _edit(data, user, password_stdin, work)


@roles.command("delete")
def delete_role(name: Name, data: Data = None, user: User = None, password_stdin: Stdin = False) -> None:
    """Delete a role."""
    _edit(data, user, password_stdin, lambda w, s, _: w.editor.delete_role(s, w.find("roles", name).id))


# -- config -------------------------------------------------------------------------------------------------------------


@config.command("get")
def get_config(
    key: Annotated[str | None, typer.Argument(help="One key; without it, all in force.")] = None,
    data: Data = None,
    user: User = None,
    password_stdin: Stdin = False,
    as_json: Json = False,
) -> None:
    """Show the entries in force here."""

    def work(w: Workstation, s: LocalSession, _: Passwords) -> list[dict[str, Any]]:
        w.editor.config(s)
        entries = w.replica.effective_config().values()
        return [{"key": e.key, "value": e.value, "from": e.id} for e in entries if key in (None, e.key)]

    _show(_signed_in(data, user, password_stdin, work), as_json)


@config.command("set")
def set_config(
    key: Annotated[str, typer.Argument(help="For example telemetry.interval_ms")],
    value: Annotated[str, typer.Argument(help="JSON; anything else is taken as a text.")],
    data: Data = None,
    user: User = None,
    password_stdin: Stdin = False,
) -> None:
    """Set a key for this desktop."""
    _edit(data, user, password_stdin, lambda w, s, _: w.editor.set_config(s, key, _value(value)))


@config.command("clear")
def clear_config(
    key: Annotated[str, typer.Argument(help="The key.")], data: Data = None, user: User = None,
    password_stdin: Stdin = False,
) -> None:  # fmt: skip
    """Remove this desktop's own entry of a key."""
    _edit(data, user, password_stdin, lambda w, s, _: w.editor.clear_config(s, key))


# -- inside -------------------------------------------------------------------------------------------------------------


def _signed_in(data: Path | None, user: str | None, from_stdin: bool, work: Work) -> Any:
    from pulse_agent.command_line.workstation import Passwords, opened, sign_in

    def act() -> Any:
        with opened(options_of(data).data) as workstation:
            passwords = Passwords(from_stdin=from_stdin)
            return work(workstation, sign_in(workstation, user, passwords), passwords)

    return guarded(act)


def _edit(data: Path | None, user: str | None, from_stdin: bool, work: Work) -> None:
    made = _signed_in(data, user, from_stdin, work)
    typer.echo(f"Kept{f' as {made}' if made else ''}; it goes to the server as soon as it is reached.")


def _listed(rows: Mapping[str, ReplicaRow]) -> list[dict[str, Any]]:
    return [{"id": row.id, **row.fields, "is_pending": row.is_pending} for row in rows.values()]


def _show(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*(rows[0] if rows else ()))
    for row in rows:
        table.add_row(*(", ".join(value) if isinstance(value, list) else str(value) for value in row.values()))
    Console().print(table if rows else "none")


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
