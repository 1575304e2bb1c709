"""The directory of the newest desktop release: its signed manifest, and packages beside it. Read only.

Guaranteed: nothing outside of the directory is opened, nothing but packages and the manifest is given out, and a file that
is replaced meanwhile is read on as it was. Nothing is verified here: whoever downloads does not trust this server.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import stat
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from pulse_contracts.releases import FILE_NAME_PATTERN, MANIFEST_FILE, MAX_MANIFEST_CHARS
from pulse_gateway.use_cases.release_ports import SignedManifest

CHUNK_BYTES: Final = 256 * 1024
_NAME: Final = re.compile(FILE_NAME_PATTERN)


@dataclass(frozen=True, slots=True)
class PackageFile:
    """A package that is open for reading; `etag` changes with it. Whoever has it closes it."""

    file: BinaryIO
    size: int
    etag: str

    def close(self) -> None:
        """Let go of it."""
        self.file.close()

    async def chunks(self, first: int, last: int) -> AsyncGenerator[bytes, None]:
        """Read from byte `first` to `last`, both included, and close it."""
        try:
            await asyncio.to_thread(self.file.seek, first)
            left = last - first + 1
            while left and (chunk := await asyncio.to_thread(self.file.read, min(CHUNK_BYTES, left))):
                left -= len(chunk)
                yield chunk
        finally:
            self.file.close()


class ReleaseDirectory:
    """What is offered; `root` None: nothing."""

    def __init__(self, root: Path | None) -> None:
        self._root = root

    async def manifest(self) -> SignedManifest | None:
        """Return the manifest; None: there is none."""
        return None if self._root is None else await asyncio.to_thread(_manifest, self._root / MANIFEST_FILE)

    async def open(self, name: str) -> PackageFile | None:
        """Open a package; None: there is none of that name."""
        if self._root is None or _NAME.fullmatch(name) is None:
            return None
        return await asyncio.to_thread(_open, self._root / name)


def _manifest(path: Path) -> SignedManifest | None:
    try:
        with path.open("rb") as file:
            token = file.read(MAX_MANIFEST_CHARS + 1).strip()
    except OSError:
        return None
    if not token or len(token) > MAX_MANIFEST_CHARS:
        return None
    return SignedManifest(token, f'"{hashlib.sha256(token).hexdigest()[:32]}"')


def _open(path: Path) -> PackageFile | None:
    try:
        # A link could lead out of the directory, and a pipe would never open.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or not found.st_size:
        os.close(descriptor)
        return None
    file = os.fdopen(descriptor, "rb")
    return PackageFile(file, found.st_size, f'"{found.st_mtime_ns:x}-{found.st_size:x}"')
