"""A day with the window open: memory of a real window's process over so many readings, whose seconds are hurried.

The desk is enrolled and its people are synced by a stack; the day itself is offline. Hurried is the agent's side of the local
socket (`pulse_simulator.hurried_desk`): a reading is committed and told, the window shows it, and the next one comes.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Final

from pulse_bench.errors import BenchError
from pulse_bench.stack import Stack, sign_in
from pulse_simulator.gateway_session import GatewayError
from pulse_simulator.hurried_desk import WindowFigure, measure_window
from pulse_simulator.real_agent import RealAgent

PATIENCE_SECONDS: Final = 60.0
AHEAD: Final = 40
"""Two processes that wait for each other at each reading would take half an hour."""
LOOK_SECONDS: Final = 0.5


async def measure_day(stack: Stack, *, readings: int) -> WindowFigure:
    """Enrol a workstation, and let its day pass before a window. Raises BenchError."""
    with tempfile.TemporaryDirectory(prefix="pulse-bench-desk-") as folder:
        desk = RealAgent("bench-desk", Path(folder))
        async with sign_in(stack) as session:
            wish = {"id": desk.device_id, "name": "bench desk", "kind": "workstation"}
            try:
                answer = await session.request("POST", "/api/devices/enrolment-codes", json=wish)
            except GatewayError as error:
                raise BenchError(f"no enrolment code: {error}") from error
        done = await desk.say("enroll", stack.gateway_url, str(answer["code"]), "--no-keyring")
        if done.returncode != 0:
            raise BenchError(f"the desk could not enrol: {done.stderr}")
        admin = stack.description["admin"]
        account = (str(admin["username"]), str(admin["password"]))
        await _sync_people(desk, account)
        try:
            return await measure_window(desk.data, account, readings=readings, ahead=AHEAD)
        except TimeoutError as error:
            raise BenchError(f"the window: {error}") from error


async def _sync_people(desk: RealAgent, account: tuple[str, str]) -> None:
    """Run the agent until the account can sign in on the desk."""
    name, password = account
    desk.start()
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (await desk.say("login", "--user", name, "--password-stdin", given=password + "\n")).returncode != 0:
            if time.monotonic() > deadline:
                raise BenchError(f"the desk did not hear of its people within {PATIENCE_SECONDS:g} s")
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        desk.kill()
