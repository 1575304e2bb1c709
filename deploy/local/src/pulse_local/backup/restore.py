"""Make a stack of a backup: a new data directory that `pulse up` starts as if nothing had happened.

A directory that holds anything is refused, so a restore never costs what is there. One that fails leaves nothing.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import redis

from pulse_local.backup import streams
from pulse_local.backup.make import BackupFailedError
from pulse_local.backup.manifest import DATABASE, FILES, STREAMS, Manifest, read_manifest, verify
from pulse_local.data_directory import DataDirectory
from pulse_local.errors import UnusableDataError
from pulse_local.ports import free_ports
from pulse_local.servers.postgres import DATABASE as DATABASE_NAME
from pulse_local.servers.postgres import MAJOR_VERSION, PostgresServer
from pulse_local.servers.server import RunningServer
from pulse_local.servers.valkey import ValkeyServer
from pulse_local.stack_secrets import StackSecrets, load_secrets
from pulse_local.system_user import server_user

_START_SECONDS: Final = 120.0


def restore_backup(source: Path, data: Path, tell: Callable[[str], None]) -> Manifest:
    """Make `data` what the backup in `source` was taken from.

    Raises UnusableDataError for a damaged backup or a directory that is not empty, BackupFailedError.
    """
    manifest = read_manifest(source)
    if manifest.postgresql != MAJOR_VERSION:
        raise UnusableDataError(
            "other_version",
            f"The backup is of PostgreSQL {manifest.postgresql}; this stack runs PostgreSQL {MAJOR_VERSION}.",
            "Restore it with the version of PrecisionPulse that made it, and upgrade then.",
        )
    directory = DataDirectory.at(data)
    if directory.root.exists() and any(directory.root.iterdir()):
        raise UnusableDataError(
            "data_not_empty", f"{directory.root} is not empty.", "Name a directory that does not exist yet with --data."
        )
    tell("digests")
    verify(source, manifest, lambda _: None)
    try:
        tell("accounts, certificates and secrets")
        _place_files(source / FILES, directory)
        directory.open()
        with directory.locked():
            stack_secrets = load_secrets(directory.secrets)
            tell("the database")
            _fill_database(source / DATABASE, directory, stack_secrets)
            tell("what was on its way")
            _fill_streams(source / STREAMS, directory, stack_secrets)
    except BaseException:
        shutil.rmtree(directory.root, ignore_errors=True)
        raise
    return manifest


def _place_files(source: Path, directory: DataDirectory) -> None:
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        target = directory.root / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch(mode=0o600)
        target.write_bytes(path.read_bytes())


def _fill_database(dump: Path, directory: DataDirectory, stack_secrets: StackSecrets) -> None:
    with tempfile.TemporaryDirectory(prefix="pulse-restore-") as sockets:
        server = PostgresServer(directory.postgres, Path(sockets), stack_secrets.database_passwords, server_user())
        running = RunningServer(server, directory.log(server.name))
        running.start(_START_SECONDS)
        try:
            server.bootstrap()
            # The schemas that the bootstrap made are empty; those of the backup take their place with all they hold.
            done = server.run_tool(
                "pg_restore",
                *(
                    "--exit-on-error",
                    "--clean",
                    "--if-exists",
                    "--no-password",
                    f"--jobs={min(4, os.cpu_count() or 1)}",
                ),
                *("--dbname", DATABASE_NAME, str(dump)),
            )
            if done.returncode != 0:
                raise BackupFailedError(
                    "restore_failed", f"pg_restore: {done.stderr.strip()}", "Nothing was kept of it."
                )
            server.run_sql("ANALYZE;", DATABASE_NAME)
        finally:
            running.stop()


def _fill_streams(entries: Path, directory: DataDirectory, stack_secrets: StackSecrets) -> None:
    if entries.stat().st_size == 0:
        return
    (port,) = free_ports(1)
    server = ValkeyServer(directory.valkey, port, stack_secrets.valkey_password, server_user())
    running = RunningServer(server, directory.log(server.name))
    running.start(_START_SECONDS)
    try:
        with redis.Redis.from_url(server.url()) as client:
            streams.load(client, entries, secrets.token_hex(8))
    finally:
        running.stop()
