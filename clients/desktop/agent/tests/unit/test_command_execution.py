"""Handlers that succeed, fail, hang, return too much, or try to end the process: always an ending, never a crash."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pulse_agent.commands.command import AgentCommand, CommandFailedError, CommandOptions, Commands, Invocation
from pulse_agent.commands.command import installed_commands as installed
from pulse_agent.commands.execution import execute
from pulse_agent.commands.intent_log import Ending, Intent, IntentLog, LogUnavailableError
from pulse_chassis.clock import SystemClock
from pulse_contracts.commands import MAX_RESULT_BYTES, CommandSpec, CommandState

INTENT = Intent("00000000-0000-0000-0000-000000000001", 1, "TRY", {"n": 1}, None, 0, CommandState.STARTED, 0)


async def ending_of(handler: Any, *, patience: float = 20, stop: asyncio.Event | None = None) -> Ending:
    command = AgentCommand(CommandSpec(name="TRY"), handler, timedelta(seconds=patience))
    return await execute(command, INTENT, lambda _share, _message: None, stop or asyncio.Event())


async def test_what_a_handler_returns_is_the_result() -> None:
    async def handler(invocation: Invocation) -> dict[str, Any]:
        return {"n": invocation.arguments["n"], "text": "ä"}

    assert await ending_of(handler) == Ending(CommandState.SUCCEEDED, {"n": 1, "text": "ä"})


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (CommandFailedError("pump_stuck", "no flow"), "pump_stuck"),
        (ValueError("boom"), "handler_failed"),
        (SystemExit(3), "handler_failed"),
        (ExceptionGroup("many", [ValueError("boom")]), "handler_failed"),
    ],
)
async def test_what_a_handler_raises_fails_the_command_only(raised: BaseException, code: str) -> None:
    async def handler(_: Invocation) -> None:
        raise raised

    ending = await ending_of(handler)
    assert ending.state is CommandState.FAILED
    assert ending.error is not None
    assert ending.error.code == code


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (object(), "result_not_json"),
        (float("nan"), "result_not_json"),
        ("\ud800", "result_not_json"),
        ({1, 2}, "result_not_json"),
        ("x" * MAX_RESULT_BYTES, "result_too_large"),
        ("ä" * (MAX_RESULT_BYTES // 2), "result_too_large"),
    ],
)
async def test_a_result_that_cannot_be_sent_fails_the_command(result: Any, code: str) -> None:
    async def handler(_: Invocation) -> Any:
        return result

    ending = await ending_of(handler)
    assert ending.error is not None
    assert ending.error.code == code


async def test_a_handler_that_hangs_is_cancelled_at_its_deadline() -> None:
    was_cancelled = asyncio.Event()

    async def handler(_: Invocation) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            was_cancelled.set()
            raise

    ending = await ending_of(handler, patience=0.05)
    assert ending.error is not None
    assert ending.error.code == "timed_out"
    assert was_cancelled.is_set()


async def test_a_handler_that_cancels_itself_has_failed() -> None:
    async def handler(_: Invocation) -> None:
        raise asyncio.CancelledError

    ending = await ending_of(handler)
    assert ending.state is CommandState.FAILED


async def test_credentials_in_a_failure_do_not_leave_the_machine() -> None:
    async def handler(_: Invocation) -> None:
        raise ValueError("password=hunter22 was refused")

    ending = await ending_of(handler)
    assert ending.error is not None
    assert "hunter22" not in ending.error.message


def test_a_disabled_command_is_neither_found_nor_declared() -> None:
    async def handler(_: Invocation) -> None:
        raise AssertionError

    commands = Commands([AgentCommand(CommandSpec(name="TRY"), handler)], {"TRY"})
    assert commands.find("TRY") is None
    assert commands.is_disabled("TRY")
    assert commands.custom_specs() == []


def test_no_plugin_is_installed_by_default(tmp_path: Path) -> None:
    assert installed(CommandOptions(tmp_path, SystemClock())) == []


def test_a_damaged_log_is_set_aside_and_a_log_on_no_disk_says_so(tmp_path: Path) -> None:
    path = tmp_path / "commands.db"
    path.write_bytes(b"no database " * 1000)
    log = IntentLog(path)
    assert log.open("now") == "commands.db.damaged-now"
    log.close()
    assert (tmp_path / "commands.db.damaged-now").exists()
    (tmp_path / "file").touch()
    with pytest.raises(LogUnavailableError):
        IntentLog(tmp_path / "file" / "commands.db").open("now")
