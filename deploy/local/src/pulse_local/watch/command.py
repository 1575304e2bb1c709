"""`pulse watch`: the live table of all devices in a terminal, over the same socket as the dashboard.

Also for programs: `--json` prints a line for each applied frame (so does a standard output that is no terminal),
`--once` what is there now. Exit code: 0 when ended by `q` or Ctrl-C or done, 1 when the server says stop, the log-in
is refused, or `--once` got no answer.
"""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.live import Live

from pulse_contracts.frames import (
    TELEMETRY_COLUMNS,
    ClientInfo,
    DataFrame,
    Filter,
    GapFrame,
    SnapshotFrame,
    StateFrame,
    Topic,
)
from pulse_local.data_directory import DEFAULT, DataDirectory
from pulse_local.errors import ExitCode, StackError
from pulse_local.stack_file import StackFile
from pulse_local.watch.board import DEVICES_SUB, LATEST_SUB, Board, DeviceRow, Sort
from pulse_local.watch.keys import pressed_keys
from pulse_local.watch.live_client import LiveClient
from pulse_local.watch.live_types import AppliedFrame, LiveStoppedError
from pulse_local.watch.screen import View, picture, table
from pulse_local.watch.token_source import RestTokenSource
from pulse_simulator.command_options import with_options
from pulse_simulator.gateway_session import GatewaySession

_REDRAW_S: Final = 0.25
_ONCE_S: Final = 20.0
_MOST_DEVICES: Final = 200
_PIPE_WIDTH: Final = 160
_CLIENT: Final = ClientInfo(name="pulse watch", version="0.1.0")


class WatchError(StackError):
    """There is nothing to watch, or no way in."""

    exit_code = ExitCode.FAILED


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What can be given on the command line."""

    device: Annotated[list[str] | None, typer.Option(help="Only this device; may be given again.")] = None
    metric: Annotated[list[str] | None, typer.Option(help="Only this metric; may be given again.")] = None
    interval_ms: Annotated[int, typer.Option(min=0, max=60_000, help="At most one update of a value in this time.")] = (
        250
    )
    once: Annotated[bool, typer.Option("--once", help="Print what is there now, and exit.")] = False
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON for each frame.")] = False
    url: Annotated[str | None, typer.Option(help="A gateway; the local stack's unless given.")] = None
    username: Annotated[str | None, typer.Option(help="Who signs in; the stack's administrator unless given.")] = None
    password_file: Annotated[
        Path | None, typer.Option(help="Where the password is; or it is in PULSE_PASSWORD, or asked for.")
    ] = None
    data: Annotated[Path, typer.Option("--data", envvar="PULSE_DATA", help="Where the local stack is kept.")] = DEFAULT

    def filter(self) -> Filter:
        """Return what of the telemetry is wanted."""
        return Filter(device_ids=self.device or None, metrics=self.metric or None)


@with_options(WatchOptions)
def watch(options: WatchOptions) -> None:
    """Watch all devices live: values, freshness, buffered readings, completeness."""
    if len(options.device or ()) > _MOST_DEVICES:
        raise WatchError("too_many_devices", f"At most {_MOST_DEVICES} devices can be named.")
    target = _target(options)
    try:
        asyncio.run(_watch(options, *target))
    except KeyboardInterrupt:
        return
    except BrokenPipeError:
        # The reader of our lines has gone; Python would complain again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except LiveStoppedError as stopped:
        code = f" (close code {stopped.code})" if stopped.code else ""
        raise WatchError("stopped", f"The gateway ended the session: {stopped.reason}{code}.") from None


command = watch
"""The name under which `pulse` mounts it."""


def _target(options: WatchOptions) -> tuple[str, str, str]:
    """Return gateway URL, user name and password: given, or the local stack's."""
    password = os.environ.get("PULSE_PASSWORD")
    if options.password_file is not None:
        try:
            password = options.password_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise WatchError("no_password", f"{options.password_file} cannot be read: {error.strerror}.") from None
    if options.url is None:
        stack = StackFile.read(DataDirectory.at(options.data).stack_file)
        if options.username in {None, stack.admin.username}:
            return stack.gateway_url, stack.admin.username, password or stack.admin.password
        url, username = stack.gateway_url, str(options.username)
    else:
        url, username = options.url, options.username or "admin"
    if password is None:
        if not sys.stdin.isatty():
            raise WatchError(
                "no_password", f"No password for {username}.", "Give --password-file, or set PULSE_PASSWORD."
            )
        password = getpass.getpass(f"password of {username}: ")
    return url, username, password


async def _watch(options: WatchOptions, url: str, username: str, password: str) -> None:
    async with (
        GatewaySession(url, username, password) as session,
        LiveClient(url, RestTokenSource(session), client=_CLIENT) as client,
    ):
        await client.subscribe(
            Topic.TELEMETRY_LATEST, name=LATEST_SUB, filter=options.filter(), interval_ms=options.interval_ms
        )
        await client.subscribe(
            Topic.DEVICES,
            name=DEVICES_SUB,
            filter=Filter(device_ids=options.device or None),
            interval_ms=options.interval_ms,
        )
        watcher = _Watcher(client, f"{username} at {url}")
        if options.once:
            await watcher.once(print_lines=options.json)
        elif options.json or not sys.stdout.isatty():
            await watcher.lines()
        else:
            await watcher.live()


class _Watcher:
    """Applies frames to a board and shows it, in one of three ways."""

    def __init__(self, client: LiveClient, target: str) -> None:
        self._client = client
        self._target = target
        self._board = Board()
        # Where no terminal says how wide it is, lines are for files and pipes, which have room.
        self._console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
        self._sort = Sort.NAME
        self._frozen: list[DeviceRow] | None = None
        """While paused: what is shown."""
        self._quit = asyncio.Event()
        self._rate = 0.0
        self._rows_before = (time.monotonic(), 0)

    async def once(self, *, print_lines: bool) -> None:
        """Print what is there when both snapshots have come."""
        try:
            async with asyncio.timeout(_ONCE_S):
                async for frame in self._client:
                    self._apply(frame)
                    if print_lines:
                        _print_line(frame)
                    if self._board.is_answered(LATEST_SUB, DEVICES_SUB):
                        break
        except TimeoutError:
            raise WatchError(
                "no_answer", f"No answer within {_ONCE_S:g} s: {self._client.status.detail or 'still loading'}."
            ) from None
        if not print_lines:
            self._console.print(table(self._view(None)))

    async def lines(self) -> None:
        """Print a line of JSON for each frame, for ever."""
        async for frame in self._client:
            _print_line(frame)

    async def live(self) -> None:
        """Show the table until `q`."""
        applying = asyncio.create_task(self._apply_all())
        quitting = asyncio.create_task(self._quit.wait())
        try:
            with (
                pressed_keys(self._on_key),
                Live(self._picture(), console=self._console, auto_refresh=False, screen=True) as live,
            ):
                while not (quitting.done() or applying.done()):
                    await asyncio.wait({applying, quitting}, timeout=_REDRAW_S, return_when=asyncio.FIRST_COMPLETED)
                    live.update(self._picture(), refresh=True)
            if applying.done():
                applying.result()
        finally:
            for task in (applying, quitting):
                task.cancel()
                with suppress(asyncio.CancelledError, LiveStoppedError):
                    await task

    async def _apply_all(self) -> None:
        async for frame in self._client:
            self._apply(frame)

    def _apply(self, frame: AppliedFrame) -> None:
        self._board.apply(frame, self._now_ms())

    def _now_ms(self) -> int:
        return int((time.time() + self._client.server_clock_offset_s) * 1000)

    def _on_key(self, key: str) -> None:
        actions: dict[str, Callable[[], None]] = {"q": self._quit.set, " ": self._toggle_pause, "s": self._next_sort}
        actions.get(key.lower(), lambda: None)()

    def _toggle_pause(self) -> None:
        self._frozen = self._rows() if self._frozen is None else None

    def _next_sort(self) -> None:
        self._sort = self._sort.next()

    def _picture(self) -> Any:
        now, rows = time.monotonic(), self._client.counters.rows
        then, before = self._rows_before
        if now - then >= 1.0:
            self._rate, self._rows_before = (rows - before) / (now - then), (now, rows)
        return picture(self._view(self._console.height))

    def _rows(self) -> list[DeviceRow]:
        return self._board.rows(self._now_ms(), self._sort)

    def _view(self, height: int | None) -> View:
        return View(
            rows=self._rows() if self._frozen is None else self._frozen,
            metrics=self._board.metrics(),
            link=self._client.status,
            counters=self._client.counters,
            target=self._target,
            rate=self._rate,
            monotonic=time.monotonic(),
            sort=self._sort,
            is_paused=self._frozen is not None,
            refusals=[f"{name}: {reason}" for name, reason in self._board.refusals.items()],
            width=self._console.width,
            height=height,
        )


def _print_line(frame: AppliedFrame) -> None:
    line: dict[str, Any] | None = None
    match frame:
        case SnapshotFrame(rows=list(rows)) | DataFrame(rows=rows):
            objects = [dict(zip(TELEMETRY_COLUMNS, row, strict=True)) for row in rows]
            line = {"type": frame.type, "sub": frame.sub, "offset": frame.offset, "rows": objects}
            if isinstance(frame, SnapshotFrame):
                line |= {"epoch": frame.epoch, "page": frame.page, "last": frame.last}
        case SnapshotFrame() | StateFrame() | GapFrame():
            line = frame.model_dump(mode="json", by_alias=True, exclude_none=True)
        case _:
            return
    sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
    sys.stdout.flush()
