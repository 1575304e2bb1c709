"""What identity publishes may not be there yet: in a new system services start together, and identity migrates first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
from sqlalchemy.exc import DBAPIError

from pulse_chassis.errors import UnavailableError

_NOT_THERE: Final = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.InsufficientPrivilegeError)


@asynccontextmanager
async def unpublished_as_unavailable() -> AsyncIterator[None]:
    """Turn a view that is not there yet, or not granted yet, into UnavailableError; leave every other error as it is."""
    try:
        yield
    except _NOT_THERE as error:
        raise _unavailable() from error
    except DBAPIError as error:
        if error.orig is not None and isinstance(error.orig.__cause__, _NOT_THERE):
            raise _unavailable() from error
        raise


def _unavailable() -> UnavailableError:
    return UnavailableError("identity has not published its views yet", code="views_unavailable")
