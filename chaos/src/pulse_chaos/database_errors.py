"""What asking a database may raise that is being killed, stopped or filled: no mistake of who asks."""

from __future__ import annotations

from typing import Final

import asyncpg

DATABASE_ERRORS: Final = (
    OSError,  # TimeoutError is one.
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # Of a connection to which a server that ends has already said its last word.
)
