"""A stack of its own for a benchmark, and devices on it; what goes wrong is a BenchError."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pulse_bench.errors import BenchError
from pulse_bench.native import Account
from pulse_simulator.embedded_stack import EmbeddedStack as Stack
from pulse_simulator.embedded_stack import EmbeddedStackError, register_devices, running_stack
from pulse_simulator.gateway_session import GatewayError, GatewaySession

__all__ = ["Stack", "fresh_stack", "register", "say_hello", "sign_in"]


@asynccontextmanager
async def fresh_stack(**environment: str) -> AsyncIterator[Stack]:
    """Start a stack with an empty data directory, and remove both at the end.

    Raises:
        BenchError: it did not come up; the message is what `pulse up` said.
    """
    data = Path(tempfile.mkdtemp(prefix="pulse-bench-"))
    try:
        async with running_stack(data, **environment) as stack:
            yield stack
    except EmbeddedStackError as error:
        raise BenchError(str(error)) from error
    finally:
        shutil.rmtree(data, ignore_errors=True)


def sign_in(stack: Stack) -> GatewaySession:
    """Return the admin's session with the gateway, to be used as an async context manager."""
    return stack.admin()


async def register(session: GatewaySession, ids: list[str]) -> dict[str, str]:
    """Register devices and return id → API key.

    Raises:
        BenchError: the gateway refused.
    """
    try:
        return await register_devices(session, ids)
    except GatewayError as error:
        raise BenchError(f"the devices could not be registered: {error}") from error


async def say_hello(stack: Stack, client_id: str, password: str) -> Account:
    """Say hello as a client with a new outbox, and return the account with the epoch it was given.

    Raises:
        BenchError: no welcome came.
    """
    try:
        return Account(client_id, password, await stack.say_hello(client_id, password), 1)
    except EmbeddedStackError as error:
        raise BenchError(str(error)) from error
