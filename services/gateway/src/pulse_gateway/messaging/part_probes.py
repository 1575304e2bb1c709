"""Asks now and then how the other parts of the system are, for the KPI cards and for readiness."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import httpx

from pulse_chassis.errors import PulseError, UnavailableError
from pulse_gateway.domain.summary import PartState

PROBE_SECONDS: Final = 2.0
DEADLINE_SECONDS: Final = 1.5

Probe = Callable[[], Awaitable[None]]


class PartProbes:
    """Named probes, asked every two seconds; `tell` hears what they found, every time."""

    def __init__(self, probes: Mapping[str, Probe], tell: Callable[[Mapping[str, PartState]], None]) -> None:
        self._probes = dict(probes)
        self._tell = tell

    async def run(self, stop: asyncio.Event) -> None:
        """Ask until `stop`."""
        while not stop.is_set():
            states = await asyncio.gather(*(_ask(probe) for probe in self._probes.values()))
            self._tell(dict(zip(self._probes, states, strict=True)))
            try:
                async with asyncio.timeout(PROBE_SECONDS):
                    await stop.wait()
            except TimeoutError:
                continue


def http_probe(client: httpx.AsyncClient, url: str) -> Probe:
    """Return a probe of a service's readiness; what it names as down is the detail."""

    async def probe() -> None:
        try:
            answer = await client.get(f"{url.rstrip('/')}/readyz", timeout=DEADLINE_SECONDS)
        except httpx.HTTPError as error:
            message = "not reachable"
            raise UnavailableError(message) from error
        if answer.status_code != httpx.codes.OK:
            raise UnavailableError(_what_is_down(answer))

    return probe


def _what_is_down(answer: httpx.Response) -> str:
    try:
        dependencies = answer.json()["dependencies"]
        down = sorted(str(name)[:40] for name, state in dependencies.items() if not state["ok"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return "not ready"
    return f"not ready: {', '.join(down)}" if down else "not ready"


async def _ask(probe: Probe) -> PartState:
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await probe()
    except TimeoutError:
        return PartState(ok=False, detail="no answer in time")
    except PulseError as error:
        return PartState(ok=False, detail=error.message)
    return PartState(ok=True)
