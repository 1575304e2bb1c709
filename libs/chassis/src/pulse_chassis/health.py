"""Whether what a process depends on is there: named checks with a deadline, run side by side.

Liveness needs none of this (a process whose worker died is gone, see `run`); readiness asks every check.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pulse_chassis.logging import get_logger, redact_text

_log = get_logger("health")

Check = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class DependencyState:
    """What one check found: `detail` is None when all is well."""

    ok: bool
    detail: str | None = None


class HealthRegistry:
    """The dependencies of a process by name. A check that raises, or takes too long, is down; its message is shown."""

    def __init__(self) -> None:
        self._checks: dict[str, tuple[Check, float]] = {}
        self._down: set[str] = set()

    def add(self, name: str, check: Check, timeout: float = 2.0) -> None:
        """Add a dependency; `timeout` in seconds. A name can be taken once."""
        if name in self._checks:
            message = f"a health check named {name!r} exists"
            raise ValueError(message)
        self._checks[name] = (check, timeout)

    async def check(self) -> dict[str, DependencyState]:
        """Ask all dependencies at once; a change of state is logged once, not each time it is seen."""
        names = list(self._checks)
        states = await asyncio.gather(*(self._ask(*self._checks[name]) for name in names))
        result = dict(zip(names, states, strict=True))
        self._log_changes(result)
        return result

    async def _ask(self, check: Check, seconds: float) -> DependencyState:
        try:
            async with asyncio.timeout(seconds):
                await check()
        except TimeoutError:
            return DependencyState(ok=False, detail=f"no answer within {seconds:g} s")
        except Exception as error:  # noqa: BLE001 -- a boundary: whatever a check raises means "down"
            return DependencyState(ok=False, detail=redact_text(str(error)) or type(error).__name__)
        return DependencyState(ok=True)

    def _log_changes(self, states: dict[str, DependencyState]) -> None:
        for name, state in states.items():
            if not state.ok and name not in self._down:
                self._down.add(name)
                _log.warning("dependency_down", dependency=name, detail=state.detail)
            elif state.ok and name in self._down:
                self._down.discard(name)
                _log.info("dependency_recovered", dependency=name)
