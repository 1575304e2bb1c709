"""HTTP as a worker, and keys fetched over it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from pulse_chassis.bearer import Authority, generate_signing_key, issue_access_token, jwks_url, public_jwk
from pulse_chassis.errors import UnavailableError
from pulse_chassis.serve import http_worker

KEY = generate_signing_key("key-1")


def _token() -> str:
    return issue_access_token(
        KEY,
        user_id=uuid4(),
        username="anna",
        roles=[],
        permissions=[],
        session_id=uuid4(),
        now=datetime.now(UTC),
    )


async def test_keys_are_fetched_from_the_published_address(eventually: Callable[..., Awaitable[None]]) -> None:
    app = FastAPI()

    @app.get("/.well-known/jwks.json")
    async def keys() -> dict[str, Any]:
        return {"keys": [public_jwk(KEY)]}

    stop = asyncio.Event()
    with capture_logs() as logs:
        worker = http_worker(app, host="127.0.0.1", port=0)
        serving = asyncio.ensure_future(worker.run(stop))
        await eventually(lambda: any(entry["event"] == "http_listening" for entry in logs))
    port = next(entry["port"] for entry in logs if entry["event"] == "http_listening")
    assert (await Authority(jwks_url(f"http://127.0.0.1:{port}")).verify(_token())).username == "anna"
    with pytest.raises(UnavailableError):
        await Authority(f"http://127.0.0.1:{port}/elsewhere").verify(_token())
    stop.set()
    async with asyncio.timeout(5):
        await serving
    with pytest.raises(UnavailableError):
        await Authority(jwks_url(f"http://127.0.0.1:{port}")).verify(_token())
