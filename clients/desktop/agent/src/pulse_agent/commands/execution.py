"""Running one command's handler to its end, whatever it does.

Guarantees: what comes back is an `Ending` that fits the contract; a handler that raises, takes too long, or returns
what is no JSON or too much of it has failed, with a code; at a stop of the agent it gets `STOP_PATIENCE_SECONDS`.
Never does: write, or report.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from pulse_agent.commands.command import AgentCommand, CommandFailedError, Invocation
from pulse_agent.commands.intent_log import Ending, Intent, clean_text
from pulse_contracts.commands import MAX_RESULT_BYTES, CommandState

STOP_PATIENCE_SECONDS: Final = 3.0
CANCEL_SECONDS: Final = 2.0
"""How long a cancelled handler may take before it is left behind."""
PROGRESS_SECONDS: Final = 0.5
"""Progress is told at most this often."""

Tell = Callable[[float, str | None], None]


class RestartPendingError(Exception):
    """The command is to end this process: what became of it is known when the next one runs."""


class _ThrottledProgress:
    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._told_at = -math.inf

    def __call__(self, share: float, message: str | None = None) -> None:
        now = time.monotonic()
        if math.isnan(share) or now - self._told_at < PROGRESS_SECONDS:
            return
        self._told_at = now
        self._tell(min(1.0, max(0.0, float(share))), None if message is None else clean_text(str(message)))


async def execute(command: AgentCommand, intent: Intent, tell: Tell, stop: asyncio.Event) -> Ending:
    """Run the command's handler and return how it ended. Raises RestartPendingError."""
    seconds = command.patience.total_seconds()
    invocation = Invocation(
        jti=intent.jti,
        arguments=intent.arguments,
        actor=None if intent.actor is None else UUID(intent.actor),
        seconds=seconds,
        progress=_ThrottledProgress(tell),
    )
    running = asyncio.create_task(_run(command, invocation), name=f"command {intent.name}")
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({running, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        was_stopped = stop.is_set()
        if was_stopped and not running.done():
            await asyncio.wait({running}, timeout=STOP_PATIENCE_SECONDS)
        if running.cancelled():
            return Ending.failure("handler_failed", "it cancelled itself")
        if running.done():
            return running.result()
        running.cancel()
        await asyncio.wait({running}, timeout=CANCEL_SECONDS)
        if was_stopped:
            return Ending.failure("agent_stopped", "the agent was stopped before it was done")
        return Ending.failure("timed_out", f"not done within {seconds:g} s")
    finally:
        running.cancel()
        stopping.cancel()


async def _run(command: AgentCommand, invocation: Invocation) -> Ending:
    try:
        result = await command.handler(invocation)
    except RestartPendingError:
        raise
    except CommandFailedError as error:
        return Ending.failure(error.code, str(error))
    except (Exception, SystemExit) as error:  # noqa: BLE001 # the boundary to plug-ins: theirs may raise anything
        return Ending.failure("handler_failed", f"{type(error).__name__}: {error}")
    return _ending_of(result)


def _ending_of(result: Any) -> Ending:
    try:
        text = json.dumps(result, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        return Ending.failure("result_not_json", str(error))
    if size > MAX_RESULT_BYTES:
        return Ending.failure("result_too_large", f"{size} bytes, at most {MAX_RESULT_BYTES}")
    return Ending(CommandState.SUCCEEDED, json.loads(text))
