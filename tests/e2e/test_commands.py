"""A thousand commands to real agents while service, broker and agents are killed: each is done once at most, and ends."""

import asyncio
import random
from collections import Counter
from pathlib import Path

AGENTS = 5
COMMANDS = 1000
PATIENCE = {
    "PULSE_COMMANDS_GRACE_SECONDS": "5",
    "PULSE_COMMANDS_SILENCE_SECONDS": "15",
    "PULSE_COMMANDS_RETRY_SECONDS": "1",
    "PULSE_COMMANDS_LONGEST_RETRY_SECONDS": "3",
    "PULSE_COMMANDS_MOST_WAITING": "400",
    "PULSE_RATE_LIMITS": "off",
}
OPEN = "select count(*) as n from commands.command_view where state in ('queued', 'published', 'received', 'started')"


async def still_open(stack) -> int:
    return int((await stack.fetch(OPEN))[0]["n"])


async def send(http, *device_ids: str, **body) -> list[dict]:
    answer = await http.post("/api/commands", json={"device_ids": list(device_ids), **body})
    assert answer.status_code == 202, answer.text
    assert answer.json()["refused"] == []
    return answer.json()["commands"]


def noted(*desktops) -> Counter[str]:
    """How often each command was done, as the plug-in wrote it down on the disk."""
    return sum((desktop.noted() for desktop in desktops), Counter())


async def knows_note(http, desktop) -> bool:
    answer = await http.get("/api/commands/catalogue", params={"device_id": desktop.device_id})
    return "NOTE" in answer.text


async def kill_at_random(stack, desktops: list, eventually, seed: int) -> None:
    """Kill the service four times, the broker twice and an agent eight times, in a drawn order, until all have ended."""
    chance = random.Random(seed)
    faults = ["commands"] * 4 + ["mosquitto"] * 2 + ["agent"] * 8
    chance.shuffle(faults)
    for number, fault in enumerate(faults):
        goal = COMMANDS - COMMANDS * (number + 1) // (len(faults) + 1)

        async def is_due(goal: int = goal) -> bool:
            return await still_open(stack) <= goal

        await eventually(is_due, seconds=120, what=f"fewer than {goal} commands are open (fault {number}: {fault})")
        await asyncio.sleep(chance.random() * 0.2)
        if fault == "agent":
            victim = chance.choice(desktops)
            victim.kill()
            victim.start()
        else:
            await stack.kill(fault)


async def test_a_thousand_commands_survive_kills_of_service_broker_and_agents(
    running_stack, tmp_path: Path, enrol, note_plugin: Path, eventually
) -> None:
    desktops = []
    async with running_stack(tmp_path / "stack", **PATIENCE) as stack, stack.admin() as http:
        for number in range(AGENTS):
            desktop = await enrol(stack, http, f"noter-{number}", kind="desktop")
            desktop.plugins = note_plugin
            desktops.append(desktop)
            desktop.start()
        for desktop in desktops:
            await eventually(lambda d=desktop: knows_note(http, d), what=f"{desktop.device_id} declares NOTE")
        ids = [desktop.device_id for desktop in desktops]
        sent: list[str] = []
        for n in range(COMMANDS // AGENTS):
            sent += [command["id"] for command in await send(http, *ids, name="NOTE", args={"n": n}, ttl_s=600)]
        assert len(sent) == COMMANDS
        await kill_at_random(stack, desktops, eventually, seed=7)

        async def all_ended() -> bool:
            return await still_open(stack) == 0

        await eventually(all_ended, seconds=180, what="every command has ended")
        rows = await stack.fetch("select id::text, state from commands.command_view")
        states = {row["id"]: row["state"] for row in rows}
        done = noted(*desktops)
        assert set(states) == set(sent)
        assert max(done.values()) == 1, "a command was done twice"
        assert {states[jti] for jti in done} <= {"succeeded", "unknown"}
        assert {jti for jti, state in states.items() if state == "succeeded"} <= set(done)
        counts = Counter(states.values())
        assert set(counts) <= {"succeeded", "unknown"}, counts
        assert counts["unknown"] <= 8, "only a command that was running when its agent was killed may be unknown"
        await an_expired_one_is_never_done(stack, http, desktops[0], eventually)


async def an_expired_one_is_never_done(stack, http, desktop, eventually) -> None:
    desktop.kill()

    async def is_offline() -> bool:
        rows = await stack.fetch("select status from telemetry.device_status where client_id = $1", desktop.device_id)
        return bool(rows) and rows[0]["status"] == "OFFLINE"

    await eventually(is_offline, what="the killed agent counts as offline")
    (command,) = await send(http, desktop.device_id, name="NOTE", args={"n": -1}, ttl_s=1)

    async def has_expired() -> bool:
        return (await http.get(f"/api/commands/{command['id']}")).json()["state"] == "expired"

    await eventually(has_expired, what="the command expires while its device is away")
    desktop.start()
    (after,) = await send(http, desktop.device_id, name="NOTE", args={"n": -2})

    async def has_succeeded() -> bool:
        return (await http.get(f"/api/commands/{after['id']}")).json()["state"] == "succeeded"

    await eventually(has_succeeded, what="a later command is done")
    assert command["id"] not in noted(desktop)
    assert await has_expired()
