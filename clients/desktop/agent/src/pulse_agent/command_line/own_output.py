"""What the agent and its libraries say when a window started it: a file of its folder, kept small while it runs.

Guarantees: on systems with Unix files, at most `MAX_OUTPUT_BYTES` and a minute's more, and as much from before in the file
beside it. On Windows a window puts a large one aside when it starts the agent anew. Who started the agent otherwise (a
service, a terminal) keeps what it says. Never does: touch a file that it does not write to.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from pulse_contracts.local_address import MAX_OUTPUT_BYTES, OUTPUT_FILE, OUTPUT_FILE_BEFORE

LOOK_SECONDS: Final = 60.0


class OwnOutput:
    """Looks at the output file of the folder `data` each minute, if this process writes into it."""

    def __init__(self, data: Path, *, max_bytes: int = MAX_OUTPUT_BYTES, descriptor: int | None = None) -> None:
        self._path = data / OUTPUT_FILE
        self._before = data / OUTPUT_FILE_BEFORE
        self._max_bytes = max_bytes
        self._descriptor = sys.__stderr__.fileno() if descriptor is None and sys.__stderr__ is not None else descriptor

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop`."""
        while not stop.is_set():
            self.look()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await stop.wait()

    def look(self) -> None:
        """Put what was written aside if it is too much: the newest of it, as the file beside."""
        with suppress(OSError):  # a disk that takes nothing is the outbox's to tell
            if not self._is_ours() or self._path.stat().st_size <= self._max_bytes:
                return
            with self._path.open("rb") as file:
                file.seek(-self._max_bytes, os.SEEK_END)
                newest = file.read()
            with os.fdopen(os.open(self._before, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as before:
                before.write(newest)
            # Whoever writes appends, and goes on at the beginning; a line of this very moment may be lost.
            os.truncate(self._path, 0)

    def _is_ours(self) -> bool:
        if os.name == "nt" or self._descriptor is None or not self._path.exists():
            return False
        return os.path.samestat(os.fstat(self._descriptor), self._path.stat())
