"""`pulse admin`: what the operator of a stack does for its people when nobody else can."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pulse_local.commands.display import out
from pulse_local.commands.stack_commands import Data
from pulse_local.data_directory import DEFAULT, DataDirectory
from pulse_local.errors import StackError
from pulse_local.identity_process import last_words, run_identity
from pulse_local.stack_file import StackFile
from pulse_local.stack_secrets import ADMIN_USERNAME, StackSecrets, change_admin_password, load_secrets

app = typer.Typer(no_args_is_help=True, help="Help for people who cannot sign in.")

_RESET_SECONDS = 60.0


@app.callback()
def admin() -> None:
    """Keep `reset-password` a command of its own, also while it is the only one."""


@app.command("reset-password")
def reset_password(
    username: Annotated[str, typer.Argument(help="Who shall be able to sign in again.")] = ADMIN_USERNAME,
    data: Data = DEFAULT,
    stdin: Annotated[bool, typer.Option("--stdin", help="Read the password from standard input.")] = False,
    activate: Annotated[bool, typer.Option("--activate", help="Let a disabled user in again.")] = False,
) -> None:
    """Give a user of the running stack a new password; a made-up one is printed. All sessions of theirs end."""
    directory = DataDirectory.at(data)
    stack = StackFile.read(directory.stack_file)
    secrets = load_secrets(directory.secrets)
    given = sys.stdin.readline().rstrip("\r\n") if stdin else None
    made = _reset(stack, secrets, username, given, ["--activate"] if activate else [])
    if username.casefold() == ADMIN_USERNAME:
        password = given or made
        change_admin_password(directory.secrets, password)
        account = stack.admin.model_copy(update={"password": password})
        stack.model_copy(update={"admin": account}).write(directory.stack_file)
    if given is None:
        typer.echo(made)
    else:
        out.print(f"[green]✔[/] {username} has the new password")


def _reset(stack: StackFile, secrets: StackSecrets, username: str, given: str | None, options: list[str]) -> str:
    """Have identity do it, as a process of its own; return the made-up password, if it made one."""
    if given is not None:
        options = [*options, "--stdin"]
    # The user name comes after `--`, so it is no option.
    arguments = ["reset-password", *options, "--", username]
    done = run_identity(stack, secrets, arguments, seconds=_RESET_SECONDS, given=f"{given or ''}\n")
    if done.returncode != 0:
        raise StackError("password_not_reset", last_words(done))
    return done.stdout.strip()
