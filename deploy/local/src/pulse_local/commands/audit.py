"""`pulse audit`: is the log of who did what still what was written?"""

from __future__ import annotations

import re
from typing import Annotated, Final

import typer

from pulse_local.commands.display import err, out
from pulse_local.commands.stack_commands import Data
from pulse_local.data_directory import DEFAULT, DataDirectory
from pulse_local.errors import StackError
from pulse_local.identity_process import last_words, run_identity
from pulse_local.private_files import write_private
from pulse_local.stack_file import StackFile
from pulse_local.stack_secrets import load_secrets

app = typer.Typer(no_args_is_help=True, help="The audit log.")

LONGEST_SECONDS: Final = 3600.0
_KNOWN: Final = re.compile(r"\d+:[0-9a-f]{64}")
_REMEMBERED: Final = "audit-head"


@app.callback()
def audit() -> None:
    """Keep `verify` a command of its own, also while it is the only one."""


@app.command("verify")
def verify(
    data: Data = DEFAULT,
    known: Annotated[
        str | None, typer.Option(metavar="ROW:DIGEST", help="Where the log ended when you last looked.")
    ] = None,
    forget: Annotated[
        bool, typer.Option("--forget", help="Do not compare with the end that the last verification saw.")
    ] = False,
) -> None:
    """Check every row and signature of the running stack's log; names the first row at fault.

    Where the log ended is written down beside the database, so that the next call finds an end that was cut off
    together with all signatures over it.
    """
    directory = DataDirectory.at(data)
    stack = StackFile.read(directory.stack_file)
    remembered = directory.secrets / _REMEMBERED
    if known is None and not forget and remembered.exists():
        known = remembered.read_text(encoding="ascii").strip()
    with err.status("verifying the audit log"):
        done = run_identity(
            stack,
            load_secrets(directory.secrets),
            ["audit", "verify", *(["--known", known] if known is not None else [])],
            seconds=LONGEST_SECONDS,
        )
    if done.returncode != 0:
        raise StackError("audit_log_at_fault", last_words(done), "Keep a copy of the database before anything else.")
    said, end = done.stdout.strip().splitlines()
    if _KNOWN.fullmatch(end):
        write_private(remembered, f"{end}\n")
    out.print(f"[green]✔[/] {said}")
    out.print(f"  it ends with {end}", highlight=False, soft_wrap=True)
