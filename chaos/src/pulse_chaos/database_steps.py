"""What only the database's superuser can do to it, also when it has just been broken by something else."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

import asyncpg

from pulse_chaos.database_errors import DATABASE_ERRORS
from pulse_chaos.scene import Scene

_REACHED_SECONDS: Final = 60.0


async def as_superuser(scene: Scene, *statements: str) -> None:
    """Execute statements on the database, as soon as it can be reached."""
    async with asyncio.timeout(_REACHED_SECONDS):
        while True:
            with suppress(*DATABASE_ERRORS):
                connection = await asyncpg.connect(scene.site.superuser_url)
                try:
                    for statement in statements:
                        await connection.execute(statement)
                    return
                finally:
                    connection.terminate()
            await asyncio.sleep(0.2)
