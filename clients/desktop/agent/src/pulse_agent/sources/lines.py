"""Readings from other programs on this machine, one a line: `key=value key=value`, or a JSON object.

Lines come from standard input or over a Unix socket. On the socket each line is answered: `ok` once it is on the disk,
`error …` otherwise; so a program that waits for the answer loses nothing. In JSON, `timestamp` (ISO 8601; without a
zone UTC; or Unix milliseconds) says when it was recorded. Never does: queue; the next line is read when the previous
one is stored, so a fast program is held back instead of filling the memory.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pulse_agent.domain.reading import InvalidReadingError, Value, encode_metrics
from pulse_agent.sources.source import Emit, SourceOptions
from pulse_chassis.logging import get_logger

MAX_LINE_BYTES: Final = 128 * 1024
MAX_CONNECTIONS: Final = 32

_log = get_logger("lines")


class LineError(ValueError):
    """A line that is no reading."""


def parse_line(line: str) -> tuple[dict[str, Value], datetime | None]:
    """Read one line. Raises LineError in words for whoever wrote it."""
    text = line.strip()
    metrics, recorded_at = _parse_json(text) if text.startswith("{") else (_parse_pairs(text), None)
    try:
        encode_metrics(metrics)
    except InvalidReadingError as error:
        raise LineError(str(error)) from error
    return metrics, recorded_at


def _parse_json(text: str) -> tuple[dict[str, Value], datetime | None]:
    try:
        fields = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise LineError(f"no JSON object: {error}") from error
    timestamp = fields.pop("timestamp", None)
    nested = fields.get("metrics")
    return (nested if isinstance(nested, dict) else fields), _parse_timestamp(timestamp)


def _no_constant(name: str) -> float:
    raise LineError(f"{name} is no number")


def _parse_timestamp(value: object) -> datetime | None:
    try:
        match value:
            case None:
                return None
            case bool():
                raise LineError("a boolean is no timestamp")
            case int() | float():
                return datetime.fromtimestamp(value / 1000, UTC)
            case str():
                parsed = datetime.fromisoformat(value)
                return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
            case _:
                raise LineError("the timestamp is neither text nor number")
    except (ValueError, OverflowError, OSError) as error:
        raise LineError(f"timestamp: {error}") from error


def _parse_pairs(text: str) -> dict[str, Value]:
    metrics: dict[str, Value] = {}
    for pair in text.split():
        key, equals, value = pair.partition("=")
        if not equals:
            raise LineError(f"{pair!r} is not key=value")
        metrics[key] = _parse_value(value)
    return metrics


def _parse_value(text: str) -> Value:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


class LineSource:
    """Reads lines from standard input, or, with `socket`, from programs that connect there."""

    def __init__(self, socket: Path | None) -> None:
        self._socket = socket
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def name(self) -> str:
        """Name of the source and of its channel."""
        return "lines"

    async def run(self, emit: Emit, stop: asyncio.Event) -> None:
        """Take lines until `stop`; the end of standard input ends only the lines."""
        if self._socket is None:
            reading = asyncio.create_task(self._read_standard_input(emit))
        else:
            reading = asyncio.create_task(self._serve(self._socket, emit))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
                await stopping
        finally:
            for task in (reading, stopping, *self._connections):
                task.cancel()
            await asyncio.gather(reading, stopping, *self._connections, return_exceptions=True)

    async def _read_standard_input(self, emit: Emit) -> None:
        reader = asyncio.StreamReader(limit=MAX_LINE_BYTES)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        try:
            await self._take_lines(reader, emit, None)
        finally:
            transport.close()

    async def _serve(self, path: Path, emit: Emit) -> None:
        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if len(self._connections) >= MAX_CONNECTIONS:
                writer.write(b"error too many connections\n")
                writer.close()
                return
            task = asyncio.create_task(self._take_connection(reader, writer, emit))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

        path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(connected, path, limit=MAX_LINE_BYTES)
        path.chmod(0o600)
        try:
            await server.serve_forever()
        finally:
            server.close()
            path.unlink(missing_ok=True)

    async def _take_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, emit: Emit) -> None:
        try:
            await self._take_lines(reader, emit, writer)
        except ConnectionError as error:
            _log.debug("line_connection_lost", reason=str(error))
        finally:
            writer.close()

    async def _take_lines(self, reader: asyncio.StreamReader, emit: Emit, writer: asyncio.StreamWriter | None) -> None:
        while True:
            try:
                line = await reader.readline()
            except ValueError:  # longer than the limit; the reader has dropped what it held of it
                answer = f"error a line has at most {MAX_LINE_BYTES} bytes"
            else:
                if not line:
                    return
                if not line.strip():
                    continue
                answer = await self._take_line(line, emit)
            if writer is not None:
                writer.write(answer.encode() + b"\n")
                await writer.drain()

    @staticmethod
    async def _take_line(line: bytes, emit: Emit) -> str:
        try:
            metrics, recorded_at = parse_line(line.decode())
        except ValueError as error:  # LineError and UnicodeDecodeError
            _log.warning("line_refused", reason=str(error)[:200])
            return f"error {error}".replace("\n", " ")
        return "ok" if await emit(metrics, recorded_at) else "error the outbox refused the reading"


def create(options: SourceOptions) -> LineSource:
    """Make the plug-in `lines`. Setting `socket`: a path; without it, standard input is read."""
    return LineSource(_socket_path(options.settings, options.data))


def _socket_path(settings: Mapping[str, str], data: Path) -> Path | None:
    given = settings.get("socket")
    return None if given is None else data / given
