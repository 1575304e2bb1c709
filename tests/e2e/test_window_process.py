"""The window and the agent end separately: whichever of the two real processes is killed, no reading is lost.

Real are the stack, the agent's process, a TCP proxy that is its network, and the window's process (without a screen). What was
accepted is written down outside of all of them and compared with the table.
"""

import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from pulse_simulator.oracle import Verdict
from pulse_simulator.real_agent import RealAgent
from pulse_simulator.real_window import RealWindow, real_window

from .witness import METRICS, Witness

BACKLOG, LIVE = 3_000, 200
HELD_AFTER_BYTES = 60_000
SOURCE = "lines:socket=lines.sock"
AGENT = f"{sys.executable} -m pulse_agent"


@dataclass
class Desk:
    """A workstation whose people the stack's administrator is one of."""

    agent: RealAgent
    witness: Witness
    account: dict[str, str]

    async def sign_in(self, window: RealWindow) -> None:
        await window.sign_in(self.account["username"], self.account["password"])


@pytest.fixture
async def desk(stack: Any, enrol: Any, tmp_path: Path) -> AsyncIterator[Desk]:
    async with stack.admin() as http:
        agent = await enrol(stack, http, f"desk-{time.time_ns():x}", is_cuttable=True)
    witness = Witness(agent.device_id, agent.data / "lines.sock", tmp_path / "oracle.log")
    yield Desk(agent, witness, stack.description["admin"])
    witness.close()


def count(seen: dict[str, Any]) -> int:
    """The readings that wait, as the window shows them."""
    return int(seen["waiting"].replace(",", "") or "-1")


async def may_sign_in(desk: Desk, eventually: Any) -> None:
    """Wait until the workstation knows its people."""
    account = desk.account

    async def is_let_in() -> bool:
        said = ("login", "--user", account["username"], "--password-stdin")
        return (await desk.agent.say(*said, given=account["password"] + "\n")).returncode == 0

    await eventually(is_let_in, what="the workstation knows its people")


async def fall_behind(desk: Desk, window: RealWindow) -> None:
    """Cut the network, let readings wait, mend it, and hold what goes up in the midst of catching up, until `restore`."""
    proxy = desk.agent.proxy
    assert proxy is not None
    await proxy.refuse()
    await window.until(lambda seen: seen["word"] == "Offline buffering", "it says that readings are kept")
    await desk.witness.hand_in(BACKLOG)
    await window.until(lambda seen: count(seen) >= BACKLOG, "it counts what waits")
    proxy.cut_after(HELD_AFTER_BYTES)
    await proxy.accept()
    shown = await window.until(lambda seen: seen["word"] == "Draining" and seen["percent"], "it shows a drain")
    assert 0 < count(shown) <= BACKLOG


async def settled(desk: Desk, stack: Any, eventually: Any) -> Verdict:
    """Wait until nothing waits at the agent, and compare."""

    async def is_delivered() -> bool:
        return (await desk.agent.status())["outbox"]["buffered"] == 0

    await eventually(is_delivered, what="everything is delivered")
    return await desk.witness.verdict(stack.database_url)


def nothing_is_missing(verdict: Verdict, desk: Desk) -> None:
    assert verdict.agrees, verdict
    assert verdict.missing == verdict.duplicates == verdict.unexpected == verdict.declared_lost == 0
    assert verdict.accepted == METRICS * desk.witness.accepted


async def test_a_window_killed_in_the_midst_of_a_drain_loses_nothing_and_stops_nothing(stack, desk, eventually) -> None:
    desk.agent.options = ["--source", SOURCE]
    desk.agent.start()
    assert desk.agent.process is not None
    async with real_window(desk.agent.data) as window:
        await may_sign_in(desk, eventually)
        await desk.sign_in(window)
        await fall_behind(desk, window)
        await window.kill()
        desk.agent.proxy.restore()
    await desk.witness.hand_in(LIVE)
    nothing_is_missing(await settled(desk, stack, eventually), desk)
    assert desk.witness.accepted == BACKLOG + LIVE
    assert desk.agent.process.poll() is None
    async with real_window(desk.agent.data) as another:
        await desk.sign_in(another)
        await another.until(lambda seen: (seen["word"], seen["waiting"]) == ("Online", "0"), "the next window shows it")


async def test_a_killed_agent_is_told_and_started_again_by_the_window_and_its_drain_goes_on(
    stack, desk, eventually, monkeypatch
) -> None:
    monkeypatch.setenv("PULSE_AGENT_SOURCES", SOURCE)
    children: list[psutil.Process] = []
    async with real_window(desk.agent.data, agent_command=AGENT) as window:
        try:
            await window.until(lambda seen: seen["page"] == "sign_in", "the agent that it started is there")
            children += psutil.Process(window.pid).children()
            await may_sign_in(desk, eventually)
            await desk.sign_in(window)
            await fall_behind(desk, window)
            os.kill(children[0].pid, signal.SIGKILL)
            desk.agent.proxy.restore()
            told = await window.until(lambda seen: "ended with code -9" in seen["agent"], "it says that the agent died")
            assert told["page"] == "home"
            await window.until(lambda seen: "The agent runs again" in seen["agent"], "it says that it was mended")
            children += psutil.Process(window.pid).children()
            assert "Sign in again" in window.seen["problem"]
            await desk.sign_in(window)
            await window.until(lambda seen: (seen["word"], seen["waiting"]) == ("Online", "0"), "the drain goes on")
            await desk.witness.hand_in(LIVE)
            nothing_is_missing(await settled(desk, stack, eventually), desk)
        finally:
            for child in {*children, *psutil.Process(window.pid).children()}:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
