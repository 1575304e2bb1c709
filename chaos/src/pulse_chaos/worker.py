"""One worker of a campaign: does the runs it is given, on a stack of its own, and tells what became of them.

A JSON object a line: runs to do on standard input, what goes on and outcomes on standard output. The end of its input, or a
signal, ends the run that is under way and stops the stack: it also ends when who started it was killed.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from pulse_chaos.outcome import as_json, parse_planned
from pulse_chaos.runner import Runner
from pulse_chassis.logging import configure_logging

_LONGEST_LINE: Final = 2**20


def main(arguments: list[str]) -> None:
    """Serve until told to end. Arguments: the folder for stacks, and `shrink` if failed schedules are shortened."""
    orders, answers = _take_over()
    configure_logging("chaos", "ERROR", "console")
    asyncio.run(_serve(orders, answers, Path(arguments[0]), shrinks="shrink" in arguments[1:]))


def _take_over() -> tuple[int, int]:
    """Keep input and output to ourselves: programs that a run starts must neither read the one nor write to the other."""
    orders, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return orders, answers


async def _serve(orders: int, answers: int, folder: Path, *, shrinks: bool) -> None:
    channel = os.fdopen(answers, "w", encoding="utf-8")

    def say(told: dict[str, Any]) -> None:
        with suppress(BrokenPipeError):  # Nobody listens any more: our input has ended, too.
            channel.write(json.dumps(told) + "\n")
            channel.flush()

    runner = Runner(folder, lambda what: say({"now": what}), shrinks)
    reader = asyncio.StreamReader(limit=_LONGEST_LINE)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(orders, "rb"))
    lines: asyncio.Queue[bytes] = asyncio.Queue(maxsize=1)  # A run at a time is given; more would wait in the pipe.

    async def work() -> None:
        while True:
            planned = parse_planned(json.loads(await lines.get()))
            say({"outcome": as_json(await runner.do(planned))})

    working = asyncio.create_task(work())

    async def listen() -> None:
        while line := await reader.readline():
            await lines.put(line)
        working.cancel()

    listening = asyncio.create_task(listen())
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, working.cancel)
    try:
        await working
    except asyncio.CancelledError:
        pass
    finally:
        listening.cancel()
        await runner.close()


if __name__ == "__main__":
    main(sys.argv[1:])
