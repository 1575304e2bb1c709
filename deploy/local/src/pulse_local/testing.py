"""Pytest plugin: real PostgreSQL, Valkey and Mosquitto for integration tests, from the same modules as the stack.

One of each for a whole test session, started when the first test asks for it, killed and removed at its end. Each has
`start()`, `stop()` and `kill()` so that a test may take it away and bring it back: same address, same data. Only
durability on power loss is switched off, for speed; everything else is as in the stack. Their files are in memory where
there is plenty of it: a test that has a database of its own writes 13 MB, and a disk would be busy with those long after.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from pulse_local.mail_inbox import MailInbox
    from pulse_local.servers.mosquitto import MosquittoServer
    from pulse_local.servers.postgres import PostgresServer
    from pulse_local.servers.server import RunningServer, Server
    from pulse_local.servers.valkey import ValkeyServer

_Started = TypeVar("_Started")
_MEMORY = Path("/dev/shm")  # noqa: S108 -- a directory of random name is made in it
_PLENTY_BYTES = 4 * 1024**3
_DROPPED_TOGETHER = 8  # Each drop is a run of psql.
_START_ATTEMPTS = 3  # A free port may be taken by somebody else between finding and binding it.


class _Handle:
    """A running test server; `pid` is 0 while it is down."""

    def __init__(self, running: RunningServer) -> None:
        self._running = running

    @property
    def pid(self) -> int:
        """The server's process id, 0 while it is down."""
        return self._running.pid

    @property
    def log(self) -> Path:
        """Where the server's output goes."""
        return self._running.log

    def start(self) -> None:
        """Bring it back after `stop()` or `kill()`: same address, same data; returns when it is ready."""
        self._running.start()

    def stop(self) -> None:
        """Stop it in an orderly way."""
        self._running.stop()

    def kill(self) -> None:
        """Kill it as a crash would."""
        self._running.kill()


class TestPostgres(_Handle):
    """The session's PostgreSQL."""

    __test__ = False

    def __init__(self, running: RunningServer, server: PostgresServer) -> None:
        super().__init__(running)
        self._server = server
        self._numbers = count(1)
        self._finished: list[str] = []

    def forget_database(self, urls: dict[str, str]) -> None:
        """Say that nobody needs this database any more; it is dropped, a little later, with others."""
        self._finished.append(_database_of(urls))
        if len(self._finished) >= _DROPPED_TOGETHER and self.pid:
            self._server.run_sql("".join(f'DROP DATABASE "{name}" WITH (FORCE);\n' for name in self._finished))
            self._finished.clear()

    def new_database(self, template: dict[str, str] | None = None) -> dict[str, str]:
        """Create a bootstrapped database of its own; returns the URL of each role.

        The roles are pulse_<service> for each service and the operator's pulse_admin. With the URLs of a
        `template`, a database that nobody is connected to, it is a copy of that: what many tests begin with (migrated
        schemas, a first admin) is then made once for all of them, and copied in a tenth of a second.
        """
        from pulse_local.servers.postgres import OWNER_ROLE, SERVICE_ROLES

        name = f"test_{next(self._numbers)}_{secrets.token_hex(3)}"
        if template is None:
            self._server.bootstrap(name)
        else:
            self._server.bootstrap(name, _database_of(template))
        return {role: self._server.url(role, name) for role in (OWNER_ROLE, *SERVICE_ROLES)}

    def superuser_url(self, role_url: str) -> str:
        """Return the superuser's URL of the database that a role's URL names."""
        from urllib.parse import urlsplit

        return self._server.url("postgres", urlsplit(role_url).path.lstrip("/"))


def _database_of(urls: dict[str, str]) -> str:
    from urllib.parse import urlsplit

    return urlsplit(next(iter(urls.values()))).path.lstrip("/")


class TestValkey(_Handle):
    """The session's Valkey. `url` is database 0, shared by the session; `new_database()` is nobody else's."""

    __test__ = False

    def __init__(self, running: RunningServer, server: ValkeyServer) -> None:
        super().__init__(running)
        self._server = server
        self._numbers = count(1)
        self.url = server.url()
        self.port = server.port

    def new_database(self) -> str:
        """Return the URL of an empty database that no other test of the session uses."""
        from pulse_local.servers.valkey import DATABASES

        number = next(self._numbers)
        url = self._server.url(1 + number % (DATABASES - 1))
        if number >= DATABASES:
            self.flush(url)
        return url

    def flush(self, url: str | None = None) -> None:
        """Empty a database (by default database 0)."""
        import redis

        with redis.Redis.from_url(url or self.url) as client:
            client.flushdb()


class TestBroker(_Handle):
    """The session's Mosquitto: accounts and topics as in the stack."""

    __test__ = False

    def __init__(self, running: RunningServer, server: MosquittoServer) -> None:
        from pulse_contracts.broker_accounts import (
            ALERTS_ACCOUNT,
            COMMANDS_ACCOUNT,
            IDENTITY_ACCOUNT,
            INGEST_ACCOUNT,
            SYNC_ACCOUNT,
        )
        from pulse_local.ports import LOOPBACK
        from pulse_local.servers.broker_control import BrokerControl

        super().__init__(running)
        self.host = LOOPBACK
        self.port = server.port
        self.tls_port = server.tls_port
        self.ca_file = server.ca_file
        self.security_file = server.security_file
        self.admin = (IDENTITY_ACCOUNT, server.passwords.identity)
        self.svc_ingest = (INGEST_ACCOUNT, server.passwords.ingest)
        self.svc_sync = (SYNC_ACCOUNT, server.passwords.sync)
        self.svc_commands = (COMMANDS_ACCOUNT, server.passwords.commands)
        self.svc_alerts = (ALERTS_ACCOUNT, server.passwords.alerts)
        self._control = BrokerControl(server.port, *self.admin)

    def add_device(self, device_id: str, password: str) -> None:
        """Create a device's account: user name and client id are the device id."""
        self._control.add_device(device_id, password)

    def remove_device(self, device_id: str) -> None:
        """Delete a device's account, which disconnects it."""
        self._control.remove_device(device_id)

    def disable_device(self, device_id: str) -> None:
        """Disable a device's account, which disconnects it."""
        self._control.disable_device(device_id)


@pytest.fixture(scope="session")
def server_directory() -> Iterator[Path]:
    """A short directory for the session's servers, traversable by the users they run as."""
    has_memory = _MEMORY.is_dir() and min(shutil.disk_usage(_MEMORY).free, _available_bytes()) >= _PLENTY_BYTES
    directory = Path(tempfile.mkdtemp(prefix="pulse-test-", dir=_MEMORY if has_memory else None))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


def _available_bytes() -> int:
    import psutil

    return int(psutil.virtual_memory().available)


def _start(server: Server, directory: Path) -> RunningServer:
    from pulse_local.servers.server import RunningServer

    running = RunningServer(server, directory / "logs" / f"{server.name}.log")
    try:
        running.start()
    except BaseException:
        running.kill()
        raise
    return running


def _end(running: RunningServer, data: Path) -> None:
    # Killed, not stopped: nothing in it is needed any more.
    running.kill()
    shutil.rmtree(data, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server(server_directory: Path) -> Iterator[TestPostgres]:
    """One embedded PostgreSQL for the session."""
    from pulse_local.servers.postgres import PostgresServer, generated_roles
    from pulse_local.system_user import server_user

    data = server_directory / "postgres"
    server = PostgresServer(
        data=data,
        socket_directory=server_directory / "run",
        passwords={role: secrets.token_hex(12) for role in generated_roles()},
        run_as=server_user(),
        durable=False,
    )
    running = _start(server, server_directory)
    yield TestPostgres(running, server)
    _end(running, data)


@pytest.fixture(scope="session")
def valkey_server(server_directory: Path) -> Iterator[TestValkey]:
    """One Valkey for the session."""
    from pulse_local.errors import NotReadyError
    from pulse_local.ports import free_ports
    from pulse_local.servers.valkey import ValkeyServer
    from pulse_local.system_user import server_user

    data = server_directory / "valkey"

    def attempt() -> tuple[RunningServer, ValkeyServer]:
        (port,) = free_ports(1)
        server = ValkeyServer(data, port, secrets.token_hex(12), server_user(), durable=False)
        return _start(server, server_directory), server

    running, server = _again_if_port_was_lost(attempt, NotReadyError)
    yield TestValkey(running, server)
    _end(running, data)


@pytest.fixture(scope="session")
def mosquitto_broker(server_directory: Path) -> Iterator[TestBroker]:
    """One Mosquitto for the session, with the stack's accounts and ACL."""
    from pulse_local.errors import NotReadyError
    from pulse_local.ports import free_ports
    from pulse_local.servers.mosquitto import BrokerPasswords, MosquittoServer, broker_user

    data = server_directory / "mosquitto"

    def attempt() -> tuple[RunningServer, MosquittoServer]:
        port, tls_port = free_ports(2)
        passwords = BrokerPasswords(*(secrets.token_hex(12) for _ in fields(BrokerPasswords)))
        server = MosquittoServer(data, port, tls_port, passwords, broker_user())
        return _start(server, server_directory), server

    running, server = _again_if_port_was_lost(attempt, NotReadyError)
    yield TestBroker(running, server)
    _end(running, data)


def _again_if_port_was_lost(attempt: Callable[[], _Started], lost: type[Exception]) -> _Started:
    for _ in range(_START_ATTEMPTS - 1):
        with suppress(lost):
            return attempt()
    return attempt()


@dataclass(frozen=True)
class Servers:
    """The session's servers."""

    postgres: TestPostgres
    valkey: TestValkey
    broker: TestBroker


@pytest.fixture(scope="session")
def servers(postgres_server: TestPostgres, valkey_server: TestValkey, mosquitto_broker: TestBroker) -> Servers:
    """All three servers, for whoever needs them all."""
    return Servers(postgres_server, valkey_server, mosquitto_broker)


@pytest.fixture
async def identity_url() -> AsyncIterator[str]:
    """The address of what a service needs of identity over HTTP: see `testing_identity`."""
    from pulse_local.testing_identity import serve_identity

    async with serve_identity() as url:
        yield url


@pytest.fixture
def valkey_database(valkey_server: TestValkey) -> str:
    """The URL of an empty Valkey database of this test's own."""
    return valkey_server.new_database()


@pytest.fixture
def postgres_database(postgres_server: TestPostgres) -> Iterator[dict[str, str]]:
    """The role URLs of a bootstrapped database of this test's own."""
    urls = postgres_server.new_database()
    yield urls
    postgres_server.forget_database(urls)


@pytest.fixture
async def mail_inbox() -> AsyncIterator[MailInbox]:
    """Give a mail server that keeps what it is sent, for one test."""
    from pulse_local.mail_inbox import MailInbox

    async with MailInbox() as inbox:
        yield inbox
