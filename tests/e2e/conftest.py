"""The real stack, started by the command line an operator uses, and what the e2e tests do with it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from pulse_local.supervisor.state import StackState
from pulse_local.watch.live_client import LiveClient
from pulse_simulator.embedded_stack import EmbeddedStack
from pulse_simulator.real_agent import RealAgent, install_note_plugin


def pulse(*arguments: str, env: Mapping[str, str] | None = None, timeout: float = 120) -> str:
    """Run the command line `pulse` to its end and return what it printed; fails the test unless it exits with 0."""
    done = subprocess.run(
        [sys.executable, "-m", "pulse_local", *arguments],
        env=os.environ | (env or {}),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, (
        f"pulse {' '.join(arguments)} exited with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    )
    return done.stdout


class Password:
    """A token source that signs in with a password."""

    def __init__(self, http: httpx.AsyncClient, username: str, password: str) -> None:
        self._http = http
        self._credentials = {"username": username, "password": password}
        self._token = ""

    async def token(self, *, renew: bool = False) -> str:
        if renew or not self._token:
            answer = await self._http.post("/api/auth/login", json=self._credentials)
            assert answer.status_code == 200, answer.text
            self._token = answer.json()["access_token"]
        return self._token


@dataclass
class Stack:
    """A running stack."""

    description: dict[str, Any]
    data: Path

    @property
    def url(self) -> str:
        return str(self.description["gateway_url"])

    @property
    def mqtt(self) -> tuple[str, int]:
        return str(self.description["mqtt"]["host"]), int(self.description["mqtt"]["port"])

    @property
    def database_url(self) -> str:
        return str(self.description["database_url"])

    def pid(self, part: str) -> int:
        """The process of a server or service now, as the supervisor wrote it down."""
        pid = self._pid(part)
        assert pid is not None, f"{part} is not running"
        return pid

    async def kill(self, part: str) -> None:
        """Kill a server or service as a crash would; one that is being started anew, as soon as it runs."""

        async def running() -> int | None:
            return self._pid(part)

        os.kill(await eventually(running, what=f"{part} runs"), signal.SIGKILL)

    def _pid(self, part: str) -> int | None:
        state = StackState.read(self.data / "run" / "state.json")
        assert state is not None
        return state.parts[part].pid

    @asynccontextmanager
    async def signed_in(self, username: str, password: str) -> AsyncIterator[httpx.AsyncClient]:
        """An HTTP client that carries a user's token."""
        async with httpx.AsyncClient(base_url=self.url, timeout=30) as http:
            http.headers["Authorization"] = f"Bearer {await Password(http, username, password).token()}"
            yield http

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[httpx.AsyncClient]:
        account = self.description["admin"]
        async with self.signed_in(account["username"], account["password"]) as http:
            yield http

    @asynccontextmanager
    async def socket(self, username: str, password: str, url: str | None = None) -> AsyncIterator[LiveClient]:
        """A live client of a user."""
        async with (
            httpx.AsyncClient(base_url=self.url, timeout=30) as http,
            LiveClient(url or self.url, Password(http, username, password)) as client,
        ):
            yield client

    async def register(self, http: httpx.AsyncClient, *ids: str) -> dict[str, str]:
        """Register devices; return id → API key."""
        answer = await http.post("/api/devices/batch", json={"devices": [{"id": i} for i in ids]})
        assert answer.status_code == 201, answer.text
        return {d["id"]: d["api_key"] for d in answer.json()["devices"]}

    async def fetch(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.database_url)
        try:
            return await connection.fetch(sql, *arguments)
        finally:
            await connection.close()

    async def hello(self, client_id: str, key: str, *, first: int = 1) -> int:
        """Say hello as a client with a new outbox; return the epoch it was given."""
        return await EmbeddedStack(self.description, self.data).say_hello(client_id, key, first=first)


@asynccontextmanager
async def _running_stack(data: Path, **env: str) -> AsyncIterator[Stack]:
    pulse("up", "--detach", "--data", str(data), env=env)
    try:
        yield Stack(json.loads((data / "stack.json").read_text()), data)
    finally:
        pulse("down", "--data", str(data))


@pytest.fixture
def running_stack() -> Callable[..., AbstractAsyncContextManager[Stack]]:
    """A stack of one's own, for tests that break things: `async with running_stack(data, **environment) as stack`."""
    return _running_stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack that tests share: each uses devices and users of its own."""
    data = tmp_path_factory.mktemp("stack")
    pulse("up", "--detach", "--data", str(data))
    yield Stack(json.loads((data / "stack.json").read_text()), data)
    pulse("down", "--data", str(data))


async def eventually(condition: Callable[[], Awaitable[Any]], *, seconds: float = 60, what: str) -> Any:
    """Wait until the condition gives something true and return that."""
    deadline = time.monotonic() + seconds
    while True:
        result = await condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"did not happen within {seconds} s: {what}"
        await asyncio.sleep(0.1)


@pytest.fixture(name="eventually")
def _eventually() -> Callable[..., Awaitable[Any]]:
    return eventually


Enrol = Callable[..., Awaitable[RealAgent]]


@pytest.fixture
async def enrol(tmp_path: Path) -> AsyncIterator[Enrol]:
    """Enrols agents by `await enrol(stack, http, device_id, kind=…, is_cuttable=…)`; they end with the test."""
    made: list[RealAgent] = []

    async def one(
        stack: Stack, http: httpx.AsyncClient, device_id: str, *, kind: str = "workstation", is_cuttable: bool = False
    ) -> RealAgent:
        wish = {"id": device_id, "name": device_id, "kind": kind}
        answer = await http.post("/api/devices/enrolment-codes", json=wish)
        assert answer.status_code == 201, answer.text
        desktop = RealAgent(device_id, tmp_path / device_id)
        made.append(desktop)
        done = await desktop.say("enroll", stack.url, answer.json()["code"], "--no-keyring")
        assert done.returncode == 0, done.stderr
        if is_cuttable:
            await desktop.put_behind_a_proxy()
        return desktop

    yield one
    for desktop in made:
        desktop.kill()
        if desktop.proxy is not None:
            await desktop.proxy.close()


@pytest.fixture
def note_plugin(tmp_path: Path) -> Path:
    """A folder that, on an agent's PYTHONPATH, gives it the custom command NOTE."""
    return install_note_plugin(tmp_path / "plugins")
