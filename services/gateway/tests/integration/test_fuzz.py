"""Whatever a client sends, the answer is a frame or a close with a code, and its neighbours notice nothing."""

import json
import random
import string

from websockets.exceptions import ConnectionClosed

KNOWN = ("type", "id", "sub", "topic", "filter", "since", "interval_ms", "paused", "token", "client", "snapshot")
WORDS = ("auth", "subscribe", "tune", "unsubscribe", "ping", "telemetry.raw", "devices", "system", "s", "s2", "")


def value(rng: random.Random, depth: int = 0):
    kind = rng.randrange(12 if depth < 4 else 9)
    if kind < 3:
        return rng.choice(WORDS)
    if kind == 3:
        return rng.choice([0, 1, -1, 2**53, 2**63, -(2**70), 1.5, 1e308, True, False, None])
    if kind == 4:
        return "".join(rng.choice(string.printable + "\u0000\u2028ü😀") for _ in range(rng.randrange(60)))
    if kind < 9:
        return rng.randrange(100)
    if kind == 9:
        return [value(rng, depth + 1) for _ in range(rng.randrange(6))]
    names = (*KNOWN, "", "x", "device_ids", "epoch", "offset")
    return {rng.choice(names): value(rng, depth + 1) for _ in range(rng.randrange(7))}


def message(rng: random.Random) -> str | bytes:
    kind = rng.randrange(10)
    if kind == 0:
        return "".join(rng.choice(string.printable) for _ in range(rng.randrange(200)))
    if kind == 1:
        return "[" * rng.randrange(1, 3000)
    if kind == 2:
        return json.dumps([value(rng) for _ in range(rng.randrange(70))])
    frame = {"type": rng.choice(WORDS), "id": rng.randrange(-2, 50)}
    frame |= {rng.choice(KNOWN): value(rng), rng.choice(KNOWN): value(rng)}
    text = json.dumps(frame)
    return text[: rng.randrange(len(text))] if kind == 3 else text


async def test_garbage_costs_nobody_else_anything(world, wait_until) -> None:
    rng = random.Random(7)
    user, victim = await world.user("operator"), await world.user("admin")
    await world.device("dev-1", victim)
    async with world.gateway() as gateway, gateway.socket(victim) as neighbour:
        await neighbour.subscribe("telemetry.raw", interval_ms=0)
        codes = set()
        for n in range(60):
            async with gateway.socket(user if n % 3 else None) as client:
                client._ids = 1_000
                try:
                    for _ in range(25):
                        await client.socket.send(message(rng))
                    await client.ask(type="ping")
                except ConnectionClosed:
                    pass
                except AssertionError:
                    assert client.socket.close_code is not None, client.frames[-3:]
                if client.socket.close_code is not None:
                    codes.add(client.socket.close_code)
            await world.announce(("dev-1", {"m": n}))
            assert not gateway.task.done()
        await wait_until(lambda: len(neighbour.rows()) == 60)
        assert gateway.gateway.desk.stats.refusals["internal"] == 0
        await wait_until(lambda: len(gateway.gateway.desk.sockets) == 1)
    assert codes <= {4000, 4001, 4102, 1005, 1006}


async def test_a_bad_stream_entry_is_counted_and_passed_over(world, wait_until) -> None:
    admin = await world.user("admin")
    await world.device("dev-1", admin)
    async with world.gateway() as gateway, gateway.socket(admin) as client:
        await client.subscribe("telemetry.raw", interval_ms=0)
        for payload in (b"", b"nonsense", b'{"at":1,"rows":7}', b'{"at":1,"rows":[["dev-1"]]}'):
            await world.redis.xadd("pulse:telemetry", {"j": payload})
        await world.redis.xadd("pulse:telemetry", {"other": b"x"})
        await world.redis.xadd("pulse:devices", {"j": b"nonsense"})
        await world.announce(("dev-1", {"m": 1}))
        await wait_until(client.rows)
        await wait_until(lambda: gateway.gateway.desk.stats.bad_entries == 5)


async def test_a_fault_of_the_servers_own_is_one_answer_and_not_the_end(world, monkeypatch) -> None:
    user = await world.user("operator")
    async with world.gateway() as gateway, gateway.socket(user) as client:
        monkeypatch.setattr(gateway.gateway.desk.hub, "change_interval", lambda *_: 1 / 0)
        await client.subscribe("devices")
        answer = await client.ask(type="tune", sub="s", interval_ms=1)
        assert (answer["code"], answer["retryable"]) == ("internal", True)
        assert "division" not in answer["message"]
        assert (await client.ask(type="ping"))["type"] == "pong"
