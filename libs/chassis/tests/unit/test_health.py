import asyncio

import pytest
from structlog.testing import capture_logs

from pulse_chassis.health import HealthRegistry


async def _fine() -> None:
    return None


async def _broken() -> None:
    message = "cannot reach postgresql://role:canary@host/db"
    raise ConnectionError(message)


async def _endless() -> None:
    await asyncio.Event().wait()


async def test_each_dependency_is_reported_by_name_and_none_waits_for_another() -> None:
    health = HealthRegistry()
    health.add("postgresql", _broken)
    health.add("valkey", _fine)
    health.add("mqtt", _endless, timeout=0.05)
    states = await health.check()
    assert {name: state.ok for name, state in states.items()} == {"postgresql": False, "valkey": True, "mqtt": False}
    assert "canary" not in (states["postgresql"].detail or "")
    assert states["mqtt"].detail == "no answer within 0.05 s"


async def test_a_flapping_dependency_is_logged_once_down_and_once_up() -> None:
    health = HealthRegistry()
    is_down = True

    async def check() -> None:
        if is_down:
            raise ConnectionError

    health.add("valkey", check)
    with capture_logs() as logs:
        for _ in range(3):
            await health.check()
        is_down = False
        for _ in range(3):
            await health.check()
    assert [entry["event"] for entry in logs] == ["dependency_down", "dependency_recovered"]


def test_a_name_can_be_taken_once() -> None:
    health = HealthRegistry()
    health.add("valkey", _fine)
    with pytest.raises(ValueError, match="exists"):
        health.add("valkey", _fine)
