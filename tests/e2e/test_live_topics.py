"""Configuration, sync and commands as a dashboard follows them: live, of a real agent, from the wish to the proof."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

INTERVAL = "telemetry.interval_ms"


async def follow(client: Any, seen: list[dict[str, Any]]) -> None:
    async for frame in client:
        seen.append(frame.model_dump(mode="json", by_alias=True))


def state_of(seen: list[dict[str, Any]], sub: str) -> dict[str, Any]:
    state: dict[str, Any] = {}
    for frame in seen:
        if frame.get("sub") == sub:
            state |= frame.get("set") or {}
            for key in frame.get("del") or ():
                state.pop(key, None)
    return state


async def test_a_setting_is_followed_until_it_is_in_force_and_a_command_step_by_step(stack, enrol, eventually) -> None:
    account = stack.description["admin"]
    async with stack.admin() as http, stack.socket(account["username"], account["password"]) as client:
        desktop = await enrol(stack, http, f"live-{time.time_ns()}", kind="desktop")
        device = desktop.device_id
        seen: list[dict[str, Any]] = []
        following = asyncio.create_task(follow(client, seen))
        for topic in ("config", "sync", "commands"):
            await client.subscribe(topic, name=topic)
        desktop.start()

        async def has_synced() -> Any:
            row = state_of(seen, "sync").get(device)
            return row and row["last_sync_at"] and row["config_lag"] == 0 and row["lag"] == 0

        await eventually(has_synced, what="the new desktop has synced")
        entry = f"device/{device}/{INTERVAL}"
        made = await http.put(f"/api/config/device/{device}/{INTERVAL}", json={"value": 200})
        assert (made.status_code, made.headers["ETag"]) == (201, '"1"')

        async def is_told() -> bool:
            return state_of(seen, "config").get(entry, {}).get("value") == 200

        await eventually(is_told, what="the socket tells of the entry")

        async def in_force() -> dict[str, Any]:
            items = (await http.get(f"/api/config/effective/{device}")).json()["items"]
            return next(item for item in items if item["key"] == INTERVAL)

        async def is_in_force() -> bool:
            return (await in_force())["is_in_force"] is True

        await eventually(is_in_force, what="the desktop has the entry in force")
        await eventually(has_synced, what="and nobody lags any more")
        wish = {"device_ids": [device], "name": "CHANGE_INTERVAL", "args": {"interval_ms": 500}}
        sent = await http.post("/api/commands", json=wish)
        assert sent.status_code == 202, sent.text
        command = sent.json()["commands"][0]["id"]

        def steps() -> list[str]:
            items = [item for frame in seen if frame["type"] == "event" for item in frame["items"]]
            return [item["data"]["state"] for item in items if item["data"]["command_id"] == command]

        async def has_ended() -> bool:
            return steps()[-1:] == ["succeeded"]

        await eventually(has_ended, what="the command succeeded")
        told = list(dict.fromkeys(steps()))
        order = ["queued", "published", "received", "started", "succeeded"]
        assert told == [state for state in order if state in told]

        async def is_the_desktops() -> bool:
            held = state_of(seen, "config").get(entry, {})
            return (held.get("value"), held.get("version"), held.get("source")) == (500, 2, "desktop")

        await eventually(is_the_desktops, what="what the command set is an edit of the desktop")
        history = (await http.get(f"/api/config/device/{device}/{INTERVAL}/history")).json()["items"]
        assert [(c["before"], c["after"], c["source"]) for c in history] == [(200, 500, "desktop"), (None, 200, "web")]
        await eventually(is_in_force, what="and in force")
        gone = await http.delete(f"/api/config/device/{device}/{INTERVAL}", headers={"If-Match": '"2"'})
        assert gone.status_code == 204

        async def is_gone() -> bool:
            return entry not in state_of(seen, "config") and (await in_force())["is_default"]

        await eventually(is_gone, what="the entry is gone")
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
