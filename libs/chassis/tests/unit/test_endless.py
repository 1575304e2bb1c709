"""Endless work ends when it is told to, and says why when it ends by itself."""

import asyncio

import pytest

from pulse_chassis.endless import run_until


async def test_it_ends_although_a_cancellation_is_swallowed() -> None:
    stop, has_begun, cancellations = asyncio.Event(), asyncio.Event(), 0

    async def swallowing() -> None:
        nonlocal cancellations
        while True:
            has_begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancellations += 1
                if cancellations > 1:
                    raise

    running = asyncio.create_task(run_until(stop, swallowing(), name="swallowing"))
    await has_begun.wait()
    stop.set()
    await asyncio.wait_for(running, 10)
    assert cancellations == 2


async def test_what_it_raises_is_raised() -> None:
    async def failing() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await run_until(asyncio.Event(), failing(), name="failing")


async def test_what_it_raises_while_it_is_ended_is_raised() -> None:
    stop, has_begun = asyncio.Event(), asyncio.Event()

    async def failing() -> None:
        try:
            has_begun.set()
            await asyncio.Event().wait()
        finally:
            raise ValueError("broken at the end")

    running = asyncio.create_task(run_until(stop, failing(), name="failing"))
    await has_begun.wait()
    stop.set()
    with pytest.raises(ValueError, match="broken at the end"):
        await asyncio.wait_for(running, 10)


async def test_when_the_caller_is_cancelled_so_is_the_work() -> None:
    has_begun, has_ended = asyncio.Event(), asyncio.Event()

    async def working() -> None:
        try:
            has_begun.set()
            await asyncio.Event().wait()
        finally:
            has_ended.set()

    running = asyncio.create_task(run_until(asyncio.Event(), working(), name="working"))
    await has_begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert has_ended.is_set()
