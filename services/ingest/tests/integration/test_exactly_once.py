"""Exactly once in the table, and an ack means committed: redelivery, duplicates, several workers, crashes, outages."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import pytest

from pulse_local.ports import free_ports


async def stored(world: Any, client: str) -> list[int]:
    rows = await world.fetch("select sequence_no from telemetry_data where client_id = $1 order by 1", client)
    return [row[0] for row in rows]


async def completeness(world: Any, client: str) -> Any:
    rows = await world.fetch("select * from telemetry.completeness where client_id = $1 order by epoch desc", client)
    return rows[0]


async def test_redelivered_run_is_acked_again_and_stored_once(world: Any, agent_of: Any, now_us: Any) -> None:
    await world.add_device("D")
    rows = [[now_us() + number, {"a": number}] for number in range(5)]
    async with world.ingest(), world.client("D") as client:
        agent = agent_of(client, "D")
        await agent.listen()
        await agent.hello()
        for _ in range(3):
            await agent.run(1, rows)
            assert (await agent.next_ack())["cum"] == 5
        await agent.run(1, rows, channel="live")
        await agent.run(4, [*rows[3:], [now_us(), {"a": 6}]])
        await agent.ack_until(6)
    assert await stored(world, "D") == [1, 2, 3, 4, 5, 6]
    assert (await completeness(world, "D"))["is_complete"]


async def test_run_out_of_order_fills_the_hole_and_cum_jumps(world: Any, agent_of: Any, now_us: Any) -> None:
    await world.add_device("D")
    at = now_us()
    async with world.ingest(), world.client("D") as client:
        agent = agent_of(client, "D")
        await agent.listen()
        await agent.hello()
        await agent.run(3, [[at + 3, {"a": 3}], [at + 4, {"a": 4}]])
        ack = await agent.next_ack()
        assert (ack["cum"], ack["ok"]) == (0, [[3, 4]])
        hole = await completeness(world, "D")
        assert (hole["missing"], hole["highest"], hole["received"], hole["is_complete"]) == (2, 4, 2, False)
        await agent.run(1, [[at + 1, {"a": 1}], [at + 2, {"a": 2}]])
        assert (await agent.next_ack())["cum"] == 4
    assert (await completeness(world, "D"))["is_complete"]


async def test_reading_sent_again_under_a_renewed_epoch_is_stored_once(world: Any, agent_of: Any, now_us: Any) -> None:
    await world.add_device("D")
    rows = [[now_us() + number, {"a": number}] for number in range(4)]
    async with world.ingest(), world.client("D") as client:
        agent = agent_of(client, "D")
        await agent.listen()
        await agent.hello()
        await agent.run(1, rows)
        await agent.ack_until(4)
        await agent.hello(epoch=0, next_=5, oldest=3)
        assert agent.epoch == 2
        await agent.run(3, [*rows[2:], [now_us(), {"a": 5}]])
        ack = await agent.ack_until(5)
    assert ack["epoch"] == 2
    assert await stored(world, "D") == [1, 2, 3, 4, 5]
    old, new = await world.fetch("select is_complete, received from telemetry.completeness order by epoch")
    assert (old["is_complete"], new["is_complete"], new["received"]) == (True, True, 3)


async def test_ack_is_sent_only_after_commit(world: Any, agent_of: Any, now_us: Any, eventually: Any) -> None:
    await world.add_device("D")
    async with world.ingest(), world.client("D") as client:
        agent = agent_of(client, "D")
        await agent.listen()
        await agent.hello()
        blocker = await world.connect()
        transaction = blocker.transaction()
        await transaction.start()
        await blocker.execute("select from telemetry.stream for update")
        await agent.run(1, [[now_us(), {"a": 1}]])

        async def is_waiting() -> Any:
            return await world.fetchval("select count(*) from pg_stat_activity where wait_event_type = 'Lock'")

        await eventually(is_waiting)
        with pytest.raises(TimeoutError):
            await agent.next_message(seconds=0.5)
        assert await stored(world, "D") == []
        await transaction.rollback()
        await blocker.close()
        await agent.ack_until(1)
    assert await stored(world, "D") == [1]


async def test_run_of_an_unknown_epoch_is_not_stored_and_asks_for_a_hello(
    world: Any, agent_of: Any, now_us: Any
) -> None:
    await world.add_device("D")
    async with world.ingest(), world.client("D") as client:
        agent = agent_of(client, "D")
        await agent.listen()
        await agent.run(1, [[now_us(), {"a": 1}], [now_us(), {"a": None}]], epoch=7)
        ack = await agent.next_ack()
    assert (ack["epoch"], ack["unknown_epoch"], ack["ok"], ack["rej"]) == (7, True, [], [])
    assert await stored(world, "D") == []
    assert await world.fetchval("select count(*) from telemetry.rejected") == 0


async def test_workers_that_share_a_client_store_every_reading_once(world: Any, agent_of: Any, now_us: Any) -> None:
    devices = ["A", "B", "C"]
    for device in devices:
        await world.add_device(device)
    at = now_us()
    async with world.ingest("1"), world.ingest("2"), world.ingest("3"):

        async def drive(device: str) -> None:
            async with world.client(device) as client:
                agent = agent_of(client, device)
                await agent.listen()
                await agent.hello()
                for first in range(1, 200, 4):
                    # Each run overlaps the next by two rows, so that every worker meets rows of the others.
                    rows = [[at + number, {"a": number, "b": True}] for number in range(first, first + 6)]
                    await agent.run(first, rows)
                await agent.ack_until(202)

        await asyncio.gather(*map(drive, devices))
    for device in devices:
        rows = await world.fetch("select sequence_no, metric_key from telemetry_data where client_id = $1", device)
        assert sorted(map(tuple, rows)) == [(number, key) for number in range(1, 203) for key in ("a", "b")]
        assert (await completeness(world, device))["is_complete"]


async def test_plain_reading_with_a_time_is_stored_once_however_often_it_comes(world: Any, eventually: Any) -> None:
    await world.add_device("D")
    payload = '{"client_id":"D","timestamp":"2026-11-01T00:00:00Z","sequence_no":1,"metrics":{"a":1}}'
    later = payload.replace("2026-11-01", "2026-11-02")
    async with world.ingest(), world.client("D") as client:
        for _ in range(3):
            await client.publish("telemetry/D/live", payload, qos=1)
            await client.publish("telemetry/D/buffer", payload, qos=1)
        # A device that starts at 1 again after a reboot is not taken for a duplicate.
        await client.publish("telemetry/D/buffered", later, qos=1)

        async def both() -> bool:
            return len(await stored(world, "D")) >= 2

        await eventually(both)
    assert await stored(world, "D") == [1, 1]


async def test_readings_without_time_and_sequence_are_never_taken_for_duplicates(world: Any, eventually: Any) -> None:
    await world.add_device("D")
    async with world.ingest(), world.client("D") as client:
        for _ in range(200):
            await client.publish("devices/D/data", '{"device_id":"D","a":1}', qos=1)

        async def all_there() -> bool:
            return await world.fetchval("select count(*) from telemetry_data") == 200

        await eventually(all_there)


async def test_kill_between_commit_and_ack_leaves_no_duplicate_and_no_hole(
    world: Any,
    agent_of: Any,
    now_us: Any,
    eventually: Any,
    valkey_server: Any,
) -> None:
    await world.add_device("D")
    (port,) = free_ports(1)
    rows = [[now_us() + number, {"a": number}] for number in range(3)]
    durable = {"PULSE_INGEST_SESSION": "durable"}
    async with world.client("D") as client:
        agent = agent_of(client, "D")
        await agent.listen()
        with world.ingest_process(port, **durable) as process:
            await eventually(lambda: is_ready(port), what="ready")
            await agent.hello()
            # Stopped, Redis holds the step between commit and ack for up to a second.
            os.kill(valkey_server.pid, signal.SIGSTOP)
            try:
                await agent.run(1, rows)

                async def committed() -> bool:
                    return await stored(world, "D") == [1, 2, 3]

                await eventually(committed)
                process.send_signal(signal.SIGKILL)
                process.wait()
            finally:
                os.kill(valkey_server.pid, signal.SIGCONT)
        assert all("cum" not in heard or heard.get("type") == "welcome" for heard in agent.heard)
        with world.ingest_process(port, **durable):
            ack = await agent.ack_until(3)  # the broker brings the message again: it was never acknowledged
            assert ack["ok"] == [[1, 3]]
            await agent.run(3, [rows[2], [now_us(), {"a": 4}]])
            await agent.ack_until(4)
    await world.end_session()
    assert await stored(world, "D") == [1, 2, 3, 4]
    assert (await completeness(world, "D"))["is_complete"]


async def is_ready(port: int) -> bool:
    import httpx

    try:
        async with httpx.AsyncClient() as client:
            return (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
    except httpx.HTTPError:
        return False


async def test_database_killed_in_mid_stream_loses_and_doubles_nothing(
    world: Any,
    agent_of: Any,
    now_us: Any,
    eventually: Any,
    postgres_server: Any,
) -> None:
    await world.add_device("D")
    at = now_us()
    async with world.ingest(), world.client("D") as client:
        agent = agent_of(client, "D")
        await agent.listen()
        await agent.hello()
        for number in range(1, 101):
            await agent.run(number, [[at + number, {"a": number}]])
            if number == 30:
                await asyncio.to_thread(postgres_server.kill)
        await asyncio.to_thread(postgres_server.start)
        await agent.ack_until(100, seconds=40)
    assert await stored(world, "D") == list(range(1, 101))
    assert (await completeness(world, "D"))["is_complete"]


async def test_losses_are_written_down_settle_the_ledger_and_are_acked(world: Any, agent_of: Any, now_us: Any) -> None:
    await world.add_device("D")
    said = '{"v":1,"epoch":1,"lost":[[2,4,"quota"],[7,7,"disk"]]}'
    async with world.ingest(), world.client("D") as client:
        agent = agent_of(client, "D")
        await agent.listen()
        await agent.hello()
        await agent.run(1, [[now_us(), {"a": 1}]])
        await agent.ack_until(1)
        for _ in range(2):
            await client.publish("telemetry/D/buffer", said, qos=1)
            ack = await agent.next_ack()
            assert (ack["cum"], ack["ok"]) == (4, [[2, 4], [7, 7]])
        await agent.run(5, [[now_us(), {"a": 5}], [now_us(), {"a": 6}]])
        await agent.ack_until(7)
    report = await completeness(world, "D")
    assert (report["received"], report["lost"], report["missing"], report["is_complete"]) == (3, 4, 0, True)
    losses = await world.fetch("select first_seq, last_seq, reason from telemetry.loss order by 1")
    assert [tuple(loss) for loss in losses] == [(2, 4, "quota"), (7, 7, "disk")]
