from __future__ import annotations

import asyncio

import pytest

from pulse_chassis.errors import UnavailableError
from pulse_chassis.turnstile import Turnstile


async def test_so_many_pass_at_once_so_many_wait_and_the_next_is_refused():
    turnstile, go = Turnstile(at_once=2, waiting=3), asyncio.Event()
    inside = 0

    async def one():
        nonlocal inside
        async with turnstile.turn():
            inside += 1
            await go.wait()

    tasks = [asyncio.create_task(one()) for _ in range(5)]
    await asyncio.sleep(0)
    assert inside == 2
    with pytest.raises(UnavailableError) as refused:
        await one()
    assert refused.value.code == "too_many_at_once"
    assert refused.value.retry_after is not None
    tasks[4].cancel()
    go.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert inside == 4
    assert isinstance(results[4], asyncio.CancelledError)
    await one()
    assert inside == 5
