"""What one agent costs at 1 Hz: resident memory and CPU of a real `pulse-agent run` with its host source."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from asyncio.subprocess import PIPE, STDOUT
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from pulse_bench.errors import BenchError
from pulse_bench.stack import Stack, sign_in
from pulse_simulator.gateway_session import GatewayError


@dataclass(frozen=True, slots=True)
class FootprintFigure:
    """Resident memory at the end, in MiB, and the share of one core over the measured time."""

    rss_mib: float
    cpu_percent: float
    seconds: float

    def as_dict(self) -> dict[str, float]:
        """Return the fields for a JSON report."""
        return asdict(self)


async def measure_agent(stack: Stack, *, seconds: float) -> FootprintFigure:
    """Enrol an agent, let it settle for five seconds, and read it for `seconds`.

    Raises:
        BenchError: it could not enrol, or ended by itself.
    """
    data = Path(tempfile.mkdtemp(prefix="pulse-bench-agent-"))
    environment = os.environ | {"PULSE_AGENT_DATA": str(data)}
    try:
        async with sign_in(stack) as session:
            try:
                answer = await session.request("POST", "/api/devices/enrolment-codes", json={"name": "bench agent"})
            except GatewayError as error:
                raise BenchError(f"no enrolment code: {error}") from error
        code = str(answer["code"])
        enrol = [sys.executable, "-m", "pulse_agent", "enroll", stack.gateway_url, code]
        enrolled = await asyncio.create_subprocess_exec(*enrol, env=environment, stdout=PIPE, stderr=STDOUT)
        said, _ = await enrolled.communicate()
        if enrolled.returncode != 0:
            raise BenchError(f"the agent could not enrol: {said.decode(errors='replace').strip()}")
        run = (sys.executable, "-m", "pulse_agent", "run")
        with (data / "agent.log").open("ab") as log:
            agent = await asyncio.create_subprocess_exec(*run, env=environment, stdout=log, stderr=log)
        try:
            return await _read(agent, seconds)
        finally:
            if agent.returncode is None:
                agent.terminate()
            await agent.wait()
    finally:
        shutil.rmtree(data, ignore_errors=True)


async def _read(agent: asyncio.subprocess.Process, seconds: float) -> FootprintFigure:
    process = psutil.Process(agent.pid)
    await asyncio.sleep(5)
    try:
        before = process.cpu_times()
        await asyncio.sleep(seconds)
        after = process.cpu_times()
        rss = process.memory_info().rss
    except psutil.NoSuchProcess as error:
        raise BenchError("the agent ended by itself") from error
    used = after.user + after.system - before.user - before.system
    return FootprintFigure(rss / 2**20, used / seconds * 100, seconds)
