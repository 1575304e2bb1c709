"""Make a backup of a running stack, without stopping it.

Held are the database as it was at one moment, what was on its way to it in streams, the broker's accounts and
certificates, and the stack's secrets: whoever has the backup can be the stack. Not held: readings that were
acknowledged after that moment, and messages that the broker keeps for clients that are away.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import redis

from pulse_local.backup import streams
from pulse_local.backup.manifest import DATABASE, FILES, STREAMS, Manifest, write_manifest
from pulse_local.data_directory import DataDirectory
from pulse_local.errors import StackError, UnusableDataError
from pulse_local.servers.postgres import DATABASE as DATABASE_NAME
from pulse_local.servers.postgres import MAJOR_VERSION, PostgresServer
from pulse_local.stack_file import StackFile
from pulse_local.stack_secrets import load_secrets
from pulse_local.system_user import server_user

PREFIX: Final = "pulse-"
UNFINISHED: Final = ".unfinished"
KEPT: Final = (
    "layout.json",
    "run/ports.json",
    "secrets/*",
    "mosquitto/tls/*",
    "mosquitto/accounts/dynamic-security.json",
)
"""Files of the data directory that a backup holds as they are."""
_READ_ATTEMPTS: Final = 20  # The broker rewrites its accounts in place; half of it is no JSON.


class BackupFailedError(StackError):
    """The database could not be read to its end."""


@dataclass(frozen=True, slots=True)
class Backup:
    """One that was made."""

    path: Path
    manifest: Manifest
    entries: int


def make_backup(directory: DataDirectory, target: Path, tell: Callable[[str], None]) -> Backup:
    """Back up the stack that runs on `directory` into a new directory below `target`.

    Raises NotRunningError, UnusableDataError when `target` cannot be written, BackupFailedError.
    """
    stack = StackFile.read(directory.stack_file)
    made_at = datetime.now(UTC)
    final = target / f"{PREFIX}{made_at:%Y%m%dT%H%M%SZ}"
    draft = final.with_name(final.name + UNFINISHED)
    try:
        target.mkdir(parents=True, exist_ok=True)
        draft.mkdir(mode=0o700)
    except OSError as error:
        raise UnusableDataError(
            "target_not_writable", f"{draft} cannot be made: {error.strerror}.", "Name another directory."
        ) from error
    try:
        with redis.Redis.from_url(stack.redis_url) as client:
            # In this order: what was acknowledged before the database's moment is in it, what came later is saved.
            after = streams.positions(client)
            tell("the database")
            _dump(directory, draft / DATABASE)
            tell("what is on its way")
            entries = streams.save(client, after, draft / STREAMS)
        tell("accounts, certificates and secrets")
        _copy_files(directory, draft / FILES)
        tell("digests")
        manifest = write_manifest(draft, MAJOR_VERSION, made_at)
        draft.rename(final)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return Backup(final, manifest, entries)


def forget_old(target: Path, keep: int) -> list[Path]:
    """Delete all but the newest `keep` finished backups below `target`; return those that went."""
    found = sorted(path for path in target.glob(f"{PREFIX}*Z") if path.is_dir())
    old = found[: max(0, len(found) - keep)]
    for path in old:
        shutil.rmtree(path)
    return old


def _dump(directory: DataDirectory, target: Path) -> None:
    server = PostgresServer(
        directory.postgres, directory.sockets, load_secrets(directory.secrets).database_passwords, server_user()
    )
    done = server.run_tool(
        "pg_dump",
        *("--format=directory", f"--jobs={min(4, os.cpu_count() or 1)}", "--compress=gzip:1", "--no-password"),
        *(f"--file={target}", DATABASE_NAME),
    )
    if done.returncode != 0:
        raise BackupFailedError("backup_failed", f"pg_dump: {done.stderr.strip()}", "Nothing was kept of it.")


def _copy_files(directory: DataDirectory, target: Path) -> None:
    for pattern in KEPT:
        for path in sorted(directory.root.glob(pattern)):
            copy = target / path.relative_to(directory.root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            content = _settled_json(path) if path.suffix == ".json" else path.read_bytes()
            copy.touch(mode=0o600)
            copy.write_bytes(content)


def _settled_json(path: Path) -> bytes:
    """Return the file's content once it is whole."""
    problem = ""
    for _ in range(_READ_ATTEMPTS):
        content = path.read_bytes()
        try:
            json.loads(content)
        except ValueError as error:
            problem = str(error)
        else:
            return content
    raise BackupFailedError("backup_failed", f"{path} is no JSON: {problem}.", "Nothing was kept of it.")
