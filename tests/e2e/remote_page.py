"""A page of the real dashboard in headless Chromium, driven by `clients/dashboard/tests/browser/remote.mjs`."""

import asyncio
import json
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).parents[2] / "clients" / "dashboard" / "tests" / "browser" / "remote.mjs"
WITHIN_MS = 60_000
ANSWER_SECONDS = 90

Where = dict[str, Any]


class RemotePage:
    """One page. What it cannot do fails the test, with the page's own words."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def do(self, deed: str, **order: Any) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": deed, **order}).encode() + b"\n")
        async with asyncio.timeout(ANSWER_SECONDS):
            line = await self._process.stdout.readline()
        assert line, "the browser's program ended"
        answer = json.loads(line)
        assert answer["ok"], answer["error"]
        return str(answer["text"])

    async def see(self, within_ms: int = WITHIN_MS, **where: Any) -> str:
        """Wait until something is to be seen; return its text."""
        return await self.do("see", where=where, within_ms=within_ms)

    async def press(self, name: str, **within: Any) -> None:
        where: Where = {"role": "button", "name": name}
        await self.do("click", where=where | ({"within": within} if within else {}))


@asynccontextmanager
async def remote_page(url: str, program: Sequence[str] = ("node", str(SCRIPT))) -> AsyncIterator[RemotePage]:
    """Open a page before a stack; afterwards it must have had no errors of its own."""
    environment = os.environ | {"PULSE_BASE": url}
    process = await asyncio.create_subprocess_exec(*program, stdin=PIPE, stdout=PIPE, env=environment)
    try:
        page = RemotePage(process)
        yield page
        assert await page.do("end") == "", "the page had errors"
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(ANSWER_SECONDS):
            await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
