"""Bad input gets a rejected row and an ack with a code, and costs its neighbours nothing."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest


async def rejected(world: Any) -> list[tuple[Any, ...]]:
    rows = await world.fetch("select client_id, code, epoch, seq, times from telemetry.rejected order by id")
    return [tuple(row) for row in rows]


POISON = {
    "not UTF-8": (b'{"v":1,"\xff":1}', "not_utf8"),
    "not JSON": (b'{"v":1,', "not_json"),
    "nothing known": (b'{"what":1}', "bad_shape"),
    "empty": (b"", "not_json"),
    "an array": (b"[1]", "bad_shape"),
    "huge integer": (b'{"client_id":"D","metrics":{"a":99999999999999999999}}', "bad_value"),
    "NUL": (b'{"client_id":"D","metrics":{"a":"x\\u0000"}}', "bad_value"),
    "another client": (b'{"client_id":"E","metrics":{"a":1}}', "wrong_client"),
    "wrong key": (b'{"client_id":"D","metrics":{"a":1},"api_key":"pk_CANARY"}', "wrong_key"),
    "too deep": (b'{"client_id":"D","metrics":{"a":1},"x":' + b"[" * 900 + b"]" * 900 + b"}", "too_deep"),
    "too large": (b'{"client_id":"D","metrics":{"a":1},"x":"' + b"x" * 262_144 + b'"}', "too_large"),
}


@pytest.mark.parametrize("case", POISON)
async def test_poison_is_rejected_with_its_code_beside_good_messages(
    world: Any,
    agent_of: Any,
    now_us: Any,
    case: str,
) -> None:
    payload, code = POISON[case]
    await world.add_device("D")
    async with world.ingest(), world.client("D") as client:
        agent = agent_of(client, "D")
        await agent.listen()
        await agent.hello()
        await agent.run(1, [[now_us(), {"a": 1}]])
        await client.publish("telemetry/D/buffer", payload, qos=1)
        await agent.run(2, [[now_us(), {"a": 2}]])
        await agent.ack_until(2)
        acks = agent.heard
        while not any(heard.get("rej") for heard in acks):
            await agent.next_ack()
    assert [entry[:2] for heard in acks for entry in heard.get("rej", [])] == [[None, code]]
    assert [(row[0], row[1], row[4]) for row in await rejected(world)] == [("D", code, 1)]
    assert await world.fetchval("select count(*) from telemetry_data") == 2
    raw = await world.fetchval("select raw from telemetry.rejected")
    assert b"CANARY" not in raw


async def test_bad_rows_of_a_run_are_rejected_by_sequence_and_the_run_is_settled(
    world: Any,
    agent_of: Any,
    now_us: Any,
) -> None:
    await world.add_device("D")
    rows = [[now_us(), {"a": 1}], [now_us(), {"a": None}], [now_us(), {"b c": 1}], [now_us(), {"a": 4}]]
    async with world.ingest(), world.client("D") as client:
        agent = agent_of(client, "D")
        await agent.listen()
        await agent.hello()
        for _ in range(2):
            await agent.run(1, rows)
            ack = await agent.next_ack()
            assert ack["cum"] == 4
            assert ack["ok"] == [[1, 1], [4, 4]]
            assert [entry[:2] for entry in ack["rej"]] == [[2, "bad_value"], [3, "bad_metric_key"]]
    assert await rejected(world) == [("D", "bad_value", 1, 2, 2), ("D", "bad_metric_key", 1, 3, 2)]
    (report,) = await world.fetch("select received, rejected, missing, is_complete from telemetry.completeness")
    assert tuple(report) == (2, 2, 0, True)


async def test_unknown_device_is_rejected_counted_and_told(
    world: Any, agent_of: Any, now_us: Any, eventually: Any
) -> None:
    await world.add_device("GHOST", registered=False)
    await world.add_device("D")
    async with world.ingest() as ingest, world.client("GHOST") as client, world.client("D") as good:
        ghost = agent_of(client, "GHOST")
        await ghost.listen()
        await client.publish("devices/GHOST/data", '{"device_id":"GHOST","api_key":"pk_CANARY","a":1}', qos=1)
        await good.publish("devices/D/data", '{"device_id":"D","a":1}', qos=1)
        ack = await ghost.next_ack()
        assert (ack["epoch"], ack["rej"][0][:2]) == (0, [None, "unknown_device"])

        async def good_one() -> bool:
            return await world.fetchval("select count(*) from telemetry_data") == 1

        await eventually(good_one)
        assert 'ingest_rejected_total{code="unknown_device"} 1.0' in await metrics(ingest)
        # Registered a moment later, it is let in by the news of identity or, at the latest, two seconds later.
        identity = await world.connect("pulse_identity")
        await identity.execute("insert into identity.stub_device values ('GHOST', true, null, 'k')")
        await identity.close()

        async def let_in() -> bool:
            await client.publish("devices/GHOST/data", '{"device_id":"GHOST","a":2}', qos=1)
            return await world.fetchval("select count(*) from telemetry_data where client_id = 'GHOST'") > 0

        await eventually(let_in)
    assert b"CANARY" not in await world.fetchval("select raw from telemetry.rejected limit 1")


async def metrics(ingest: Any) -> str:
    transport = httpx.ASGITransport(app=ingest.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as client:
        return (await client.get("/metrics")).text


async def test_message_that_only_the_database_refuses_is_found_and_rejected_alone(
    world: Any,
    agent_of: Any,
    now_us: Any,
) -> None:
    await world.add_device("D")
    trap = await world.connect()
    await trap.execute(
        "create function telemetry.trap() returns trigger language plpgsql as $$ begin "
        "if new.value = 666 then raise sqlstate '22023' using message = 'no'; end if; return new; end $$"
    )
    await trap.execute(
        "create trigger trap before insert on telemetry.sample for each row execute function telemetry.trap()"
    )
    async with world.ingest(), world.client("D") as client:
        agent = agent_of(client, "D")
        await agent.listen()
        await agent.hello()
        await trap.execute("begin")
        await trap.execute("select from telemetry.stream for update")  # so that the messages meet in one batch
        for number in range(1, 21):
            await agent.run(number, [[now_us(), {"a": 666 if number == 7 else number}]])
        await trap.execute("rollback")
        await trap.close()
        await agent.ack_until(6)

        async def all_settled() -> bool:
            heard = {tuple(span) for ack in agent.heard for span in ack.get("ok", [])}
            return any(low <= 20 <= high for low, high in heard)

        while not await all_settled():
            await agent.next_ack()
        assert any(entry[1] == "bad_value" for heard in agent.heard for entry in heard.get("rej", []))
    sequences = await world.fetch("select sequence_no from telemetry_data order by 1")
    assert [row[0] for row in sequences] == [number for number in range(1, 21) if number != 7]
    assert [row[1] for row in await rejected(world)] == ["bad_value"]


async def test_odd_times_are_stored_and_marked_suspect(world: Any, agent_of: Any, now_us: Any) -> None:
    await world.add_device("D")
    odd = [0, -(2**63), 2**63 - 1, now_us() + 2 * 86_400_000_000, 946_684_800_000_000, now_us()]
    async with world.ingest(), world.client("D") as client:
        agent = agent_of(client, "D")
        await agent.listen()
        await agent.hello()
        await agent.run(1, [[at, {"a": number}] for number, at in enumerate(odd)])
        await agent.ack_until(6)
    rows = await world.fetch(
        "select seq, suspect, tableoid::regclass::text like '%default' from telemetry.sample order by seq"
    )
    assert [tuple(row)[:2] for row in rows] == [(1, True), (2, True), (3, True), (4, True), (5, True), (6, False)]
    assert [row[2] for row in rows] == [True, True, True, False, True, False]


async def test_noisy_client_is_limited_told_so_and_loses_nothing_while_others_go_on(
    world: Any,
    agent_of: Any,
    now_us: Any,
    eventually: Any,
) -> None:
    await world.add_device("NOISY")
    await world.add_device("CALM")
    limits = {"ingest_client_rows_per_second": 40.0, "ingest_client_burst_rows": 20.0}
    async with world.ingest(**limits), world.client("NOISY") as client, world.client("CALM") as other:
        noisy, calm = agent_of(client, "NOISY"), agent_of(other, "CALM")
        for agent in (noisy, calm):
            await agent.listen()
            await agent.hello()
        at = now_us()
        for first in range(1, 101, 10):
            await noisy.run(first, [[at + number, {"a": number}] for number in range(first, first + 10)])
        await calm.run(1, [[at, {"a": 1}]])
        await calm.ack_until(1, seconds=3)
        ack = await noisy.next_ack()
        while ack["credit"]["window"] != 1:
            ack = await noisy.next_ack()
        assert ack["credit"] == {"rows_s": 40, "window": 1}
        assert await world.fetchval("select count(*) from telemetry_data where client_id = 'NOISY'") < 100
        cum = 0
        while cum < 100:  # what an agent does: send again what was not acked
            await noisy.run(cum + 1, [[at + number, {"a": number}] for number in range(cum + 1, min(cum + 11, 101))])
            cum = max(cum, (await noisy.next_ack())["cum"])
    assert await world.fetchval("select count(*) from telemetry_data where client_id = 'NOISY'") == 100
    assert await world.fetchval("select count(*) from telemetry.rejected") == 0


async def test_plain_messages_beyond_the_rate_are_rejected_as_rate_limited(world: Any, eventually: Any) -> None:
    await world.add_device("D")
    limits = {"ingest_client_rows_per_second": 0.01, "ingest_client_burst_rows": 3.0}
    async with world.ingest(**limits), world.client("D") as client:
        for number in range(8):
            await client.publish("devices/D/data", json.dumps({"device_id": "D", "a": number}), qos=1)

        async def all_settled() -> bool:
            limited = await world.fetchval("select sum(times)::int from telemetry.rejected where code = 'rate_limited'")
            return limited == 5

        await eventually(all_settled)
    assert await world.fetchval("select count(*) from telemetry_data") == 3


async def test_client_that_invents_metrics_without_end_is_stopped(world: Any, agent_of: Any, now_us: Any) -> None:
    await world.add_device("D")
    async with world.ingest(ingest_max_metrics_per_client=3), world.client("D") as client:
        agent = agent_of(client, "D")
        await agent.listen()
        await agent.hello()
        await agent.run(1, [[now_us(), {"a": 1, "b": 1, "c": 1}]])
        await agent.ack_until(1)
        await agent.run(2, [[now_us(), {"a": 2}], [now_us(), {"d": 1}], [now_us(), {"c": 2}]])
        ack = await agent.ack_until(4)
    assert (ack["ok"], [entry[:2] for entry in ack["rej"]]) == ([[2, 2], [4, 4]], [[3, "too_many_metrics"]])
    assert await world.fetchval("select count(*) from telemetry.series") == 3


async def test_every_kind_of_value_comes_back_as_it_was(world: Any, agent_of: Any, now_us: Any) -> None:
    await world.add_device("D")
    sent = {
        "float": 72.45, "tiny": 5e-324, "int": 7, "exact": 2**53 + 1, "low": -(2**63), "yes": True, "no": False,
        "text": 'é😀 "quoted", {back\\slash}', "empty": "", "null": "NULL",
    }  # fmt: skip
    async with world.ingest(), world.client("D") as client:
        agent = agent_of(client, "D")
        await agent.listen()
        await agent.hello()
        await agent.run(1, [[now_us(), sent]])
        await agent.ack_until(1)
    for view, whole in (
        ("telemetry.sample_data join telemetry.series_index using (series_id)", None),
        ("latest_value", 1),
    ):
        columns = (
            "metric_key, value, whole, flag, text"
            if whole is None
            else "metric_key, metric_value, metric_int, metric_bool, metric_text"
        )
        rows = await world.fetch(f"select {columns} from {view}")
        back = {}
        for key, value, exact, flag, text in rows:
            back[key] = next(one for one in (exact, value, flag, text) if one is not None)
        assert back == sent
