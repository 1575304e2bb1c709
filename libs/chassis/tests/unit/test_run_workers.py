import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pulse_chassis.run import DrainTimeoutError, Worker, WorkerDiedError, run_workers


async def _until_stopped(stop: asyncio.Event) -> None:
    await stop.wait()


def _after_stop(done: list[str], name: str, turns: int = 3) -> Callable[[asyncio.Event], Awaitable[None]]:
    async def run(stop: asyncio.Event) -> None:
        await stop.wait()
        for _ in range(turns):
            await asyncio.sleep(0)
        done.append(name)

    return run


async def test_a_worker_that_raises_takes_the_others_down() -> None:
    stopped: list[str] = []

    async def raises(_stop: asyncio.Event) -> None:
        await asyncio.sleep(0)
        message = "boom"
        raise ValueError(message)

    workers = [Worker("bad", raises), Worker("good", _after_stop(stopped, "good"))]
    with pytest.raises(WorkerDiedError, match="'bad' died") as caught:
        await run_workers(workers)
    assert isinstance(caught.value.__cause__, ValueError)
    assert stopped == ["good"]


async def test_a_worker_that_returns_unasked_is_dead() -> None:
    async def returns(_stop: asyncio.Event) -> None:
        await asyncio.sleep(0)

    with pytest.raises(WorkerDiedError, match="'early' died"):
        await run_workers([Worker("early", returns), Worker("good", _until_stopped)])


async def test_a_worker_cancelled_from_inside_is_dead() -> None:
    async def cancels_itself(_stop: asyncio.Event) -> None:
        raise asyncio.CancelledError

    with pytest.raises(WorkerDiedError, match="'odd' died"):
        await run_workers([Worker("odd", cancels_itself)])


async def test_http_stops_after_all_others_have_drained() -> None:
    done: list[str] = []
    stop = asyncio.Event()
    workers = [
        Worker("http", _after_stop(done, "http", turns=0), stops_last=True),
        Worker("slow", _after_stop(done, "slow", turns=20)),
        Worker("fast", _after_stop(done, "fast", turns=1)),
    ]
    asyncio.get_running_loop().call_later(0.01, stop.set)
    await run_workers(workers, stop=stop)
    assert done == ["fast", "slow", "http"]


async def test_a_worker_that_fails_while_draining_is_dead() -> None:
    stop = asyncio.Event()
    stop.set()

    async def fails_late(stopping: asyncio.Event) -> None:
        await stopping.wait()
        raise ValueError

    with pytest.raises(WorkerDiedError, match="'late' died"):
        await run_workers([Worker("late", fails_late)], stop=stop)


async def test_http_that_dies_while_others_drain_is_noticed() -> None:
    stop = asyncio.Event()
    stop.set()
    draining = asyncio.Event()

    async def drains_for_ever(stopping: asyncio.Event) -> None:
        await stopping.wait()
        draining.set()
        await asyncio.Event().wait()

    async def dies(_stopping: asyncio.Event) -> None:
        await draining.wait()

    with pytest.raises(WorkerDiedError, match="'http' died"):
        await run_workers([Worker("drain", drains_for_ever), Worker("http", dies, stops_last=True)], stop=stop)


async def test_the_drain_deadline_cancels_and_names_who_was_late() -> None:
    stop = asyncio.Event()
    stop.set()
    cancelled: list[str] = []

    async def never_drains(_stop: asyncio.Event) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append("stuck")
            raise

    with pytest.raises(DrainTimeoutError, match="stuck"):
        await run_workers(
            [Worker("stuck", never_drains), Worker("good", _until_stopped)], stop=stop, drain_seconds=0.05
        )
    assert cancelled == ["stuck"]


async def test_no_task_outlives_a_cancelled_call() -> None:
    before = asyncio.all_tasks()
    call = asyncio.create_task(run_workers([Worker("a", _until_stopped), Worker("b", _until_stopped)]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert asyncio.all_tasks() == before
