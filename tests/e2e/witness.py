"""A program on an agent's machine: hands in readings line by line, and writes down outside of everything what was accepted."""

import asyncio
import json
import time
from pathlib import Path

from pulse_simulator.oracle import OracleLog, Verdict, check

PROGRAMS = 30
"""Connections at a time; an agent commits what they hand in together."""

METRICS = 2
"""Values of each reading: the oracle counts values."""


class Witness:
    """Speaks to the `lines` source of one agent; each reading has a moment and a number of its own."""

    def __init__(self, client: str, socket: Path, oracle: Path) -> None:
        self._client = client
        self._socket = socket
        self._path = oracle
        self._log = OracleLog(oracle)
        self._moment_ms = int(time.time() * 1000)
        self.accepted = 0

    def close(self) -> None:
        """Write down no more."""
        self._log.close()

    async def hand_in(self, count: int) -> None:
        """Hand in so many, and return when the agent has answered for each that it is on the disk."""
        numbers = iter(range(count))
        await asyncio.gather(*(self._program(numbers) for _ in range(min(PROGRAMS, count))))

    async def _program(self, numbers) -> None:
        reader, writer = await asyncio.open_unix_connection(str(self._socket))
        for number in numbers:
            self._moment_ms = max(self._moment_ms + 1, int(time.time() * 1000))
            moment_ms = self._moment_ms
            metrics = {"n": number, "note": f"piece {number:06d} of the shift"}
            self._log.intend(self._client, moment_ms * 1000, metrics)
            writer.write(json.dumps({**metrics, "timestamp": moment_ms}).encode() + b"\n")
            assert await reader.readline() == b"ok\n"
            self._log.accepted(self._client, moment_ms * 1000)
            self.accepted += 1
        writer.close()
        await writer.wait_closed()

    async def verdict(self, database_url: str) -> Verdict:
        """Compare what was accepted with the table."""
        return await check([self._path], database_url)
