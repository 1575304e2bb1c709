"""What an error of PostgreSQL means for a batch: come back later, or never with the same data.

Only classes that speak about the data itself are final. Everything else (no server, no rights, no partition, read-only,
full disk, a deadlock) is somebody else's problem that gets solved: refusing readings for it would lose them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg

from pulse_chassis.errors import UnavailableError
from pulse_ingest.domain.acceptance import DeferredError, PoisonError

_DATA_CLASSES: Final = frozenset({"22", "54"})
_CONSTRAINT_CLASS: Final = "23"
_NOT_THE_DATA: Final = frozenset({"23514", "23505"})
"""No partition for a row is reported as a check violation; a duplicate is the store's own to handle."""


def is_poison(error: asyncpg.PostgresError) -> bool:
    """Tell whether the server refused the data, and would refuse it again."""
    code = error.sqlstate or ""
    return code[:2] in _DATA_CLASSES or (code[:2] == _CONSTRAINT_CLASS and code not in _NOT_THE_DATA)


@contextmanager
def verdicts() -> Iterator[None]:
    """Turn what asyncpg raises into DeferredError or PoisonError; a unique violation passes as it is."""
    try:
        yield
    except asyncpg.UniqueViolationError:
        raise
    except asyncpg.PostgresError as error:
        if is_poison(error):
            detail = f"the database refused it ({error.sqlstate})"
            raise PoisonError(detail) from error
        message = f"{type(error).__name__} ({error.sqlstate}): {error}"
        raise DeferredError(message) from error
    except (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError, UnavailableError) as error:
        message = f"{type(error).__name__}: {error}"
        raise DeferredError(message) from error
