"""What tests of a service need of identity: somebody with a token, and a server with the key that it is verified by."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid4

from pulse_chassis.bearer import generate_signing_key, issue_access_token, public_jwk

TOKEN_KEY: Final = generate_signing_key("test-key")
"""The key that stands for identity's, in one process."""


@dataclass(frozen=True)
class User:
    """Somebody, with the token that identity would have given."""

    id: UUID
    username: str
    roles: tuple[str, ...]
    permissions: tuple[str, ...]

    @property
    def bearer(self) -> dict[str, str]:
        """Return the header of a request by them, with a token of a session of its own."""
        token = issue_access_token(
            TOKEN_KEY,
            user_id=self.id,
            username=self.username,
            roles=list(self.roles),
            permissions=list(self.permissions),
            session_id=uuid4(),
            now=datetime.now(UTC),
        )
        return {"Authorization": f"Bearer {token}"}


@asynccontextmanager
async def serve_identity() -> AsyncIterator[str]:
    """Give the address of a server that answers everything with the public key, and that it is ready."""
    body = json.dumps({"keys": [public_jwk(TOKEN_KEY)], "status": "ok"}).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(head.encode() + b"connection: close\r\n\r\n" + body)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
