"""Fifty agents while everything is killed and the network is cut: what was accepted is stored, once.

The oracle is written by the simulator outside of every outbox, before and after each reading is accepted, and compared
with the table by a program that knows neither. The same proof must fail when its mechanism is switched off.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


def simulate(stack, folder: Path, *options: str) -> subprocess.Popen:
    folder.mkdir(parents=True, exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "pulse_local", "simulate", "--stack", str(stack.data), "--data", str(folder / "data"),
         "--oracle", str(folder / "oracle.log"), "--json", *options],
        stdout=(folder / "out.json").open("w"),
        stderr=(folder / "err.txt").open("a"),
        env=os.environ | {"NO_COLOR": "1"},
    )  # fmt: skip


def verdict(stack, *oracles: Path) -> dict:
    done = subprocess.run(
        [sys.executable, "-m", "pulse_simulator.oracle", *map(str, oracles), "--database-url", stack.database_url],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


async def ended(process: subprocess.Popen, folder: Path, seconds: float) -> None:
    code = await asyncio.to_thread(process.wait, seconds)
    assert code == 0, (folder / "err.txt").read_text()[-3000:] + (folder / "out.json").read_text()[-3000:]


async def incomplete(stack) -> list:
    return await stack.fetch("SELECT * FROM telemetry.completeness WHERE NOT is_complete")


async def test_everything_is_killed_and_the_network_cut_and_nothing_is_lost_or_doubled(tmp_path, running_stack) -> None:
    async with running_stack(tmp_path / "stack") as stack:
        crowd, lone = tmp_path / "crowd", tmp_path / "lone"
        many = simulate(
            stack, crowd, "--agents", "49", "--devices", "0", "--rate", "5", "--duration", "130s",
            "--outage", "60s@60s", "--drain-timeout", "120", "--seed", "1",
        )  # fmt: skip
        one = ["--agents", "1", "--devices", "0", "--rate", "5", "--prefix", "lone", "--seed", "2"]
        single = simulate(stack, lone, *one, "--duration", "120s")
        await asyncio.sleep(8)
        for name in ("mosquitto", "valkey", "postgres"):
            os.kill(stack.server_pid(name), signal.SIGKILL)
            await asyncio.sleep(8)
        os.kill(stack.pid("ingest"), signal.SIGKILL)
        await asyncio.sleep(6)
        single.kill()
        single.wait()
        single = simulate(stack, lone, *one, "--reuse", "--duration", "60s")

        await ended(many, crowd, 300)
        await ended(single, lone, 200)

        found = verdict(stack, crowd / "oracle.log", lone / "oracle.log")
        assert found["agrees"], found
        assert found["missing"] == found["duplicates"] == found["unexpected"] == 0
        assert found["accepted"] > 49 * 5 * 120
        assert await incomplete(stack) == []


@pytest.mark.parametrize("mechanism", ["dedupe", "ack_after_commit"])
async def test_the_proof_fails_when_a_mechanism_is_switched_off(tmp_path, running_stack, mechanism: str) -> None:
    async with running_stack(tmp_path / "stack", PULSE_INGEST_UNSAFE_DISABLE=mechanism) as stack:
        folder = tmp_path / "crowd"
        many = simulate(
            stack, folder, "--agents", "20", "--devices", "0", "--rate", "10", "--duration", "25s",
            "--drain-timeout", "60", "--seed", "3",
        )  # fmt: skip
        deadline = time.monotonic() + 22
        while time.monotonic() < deadline:
            await asyncio.sleep(4)
            victim = stack.pid("ingest") if mechanism == "dedupe" else stack.server_pid("postgres")
            os.kill(victim, signal.SIGKILL)
        await asyncio.to_thread(many.wait, 150)

        found = verdict(stack, folder / "oracle.log")

        assert not found["agrees"]
        assert found["duplicates" if mechanism == "dedupe" else "missing"] > 0
