"""Where windows connect: a Unix socket, or on Windows a named pipe. The only module that knows which.

Guarantees: on Unix the socket is 0600 in a folder 0700 of its own, and a peer of another user is turned away, root
included. On Windows the pipe has the system's default rights (its owner, administrators and the system may write; a
window that cannot write cannot say hello). Call `listen` only while holding the folder's lock: a socket that is there
is then left over.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol

from pulse_contracts.local_address import MAX_REQUEST_BYTES

MAX_PATH_BYTES: Final = 103
"""What the smallest `sun_path` (macOS) holds, less its end."""
BACKLOG: Final = 16

Accept = Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]
"""Takes a connection whose peer is this user."""


class CannotListenError(Exception):
    """There is no place for windows to connect; the message says why."""


class Listener(Protocol):
    """An open door."""

    def close(self) -> None:
        """Let nobody in any more."""
        ...


async def listen(address: str, accept: Accept) -> Listener:
    """Open the door at `address` (`local_address`). Raises CannotListenError."""
    try:
        if sys.platform == "win32":
            return await _listen_pipe(address, accept)
        return await _listen_socket(Path(address), accept)
    except OSError as error:
        raise CannotListenError(f"{address}: {error}") from error


if sys.platform == "win32":

    class _Pipes:
        def __init__(self, servers: list[Any]) -> None:
            self._servers = servers

        def close(self) -> None:
            for server in self._servers:
                server.close()

    async def _listen_pipe(address: str, accept: Accept) -> Listener:
        loop: Any = asyncio.get_running_loop()  # the proactor's, which alone has pipes

        def protocol() -> asyncio.StreamReaderProtocol:
            reader = asyncio.StreamReader(limit=MAX_REQUEST_BYTES)
            return asyncio.StreamReaderProtocol(reader, accept)

        return _Pipes(await loop.start_serving_pipe(protocol, address))

else:

    class _Socket:
        def __init__(self, server: asyncio.Server, path: Path) -> None:
            self._server = server
            self._path = path

        def close(self) -> None:
            self._server.close()
            with suppress(OSError):
                self._path.unlink()

    async def _listen_socket(path: Path, accept: Accept) -> Listener:
        if len(os.fsencode(path)) > MAX_PATH_BYTES:
            raise CannotListenError(f"the path of the socket is longer than {MAX_PATH_BYTES} bytes: {path}")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.parent.chmod(0o700)
        path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listening.bind(str(path))
            path.chmod(0o600)

            def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                if peer_uid(writer.get_extra_info("socket")) == os.geteuid():
                    accept(reader, writer)
                else:
                    writer.close()

            server = await asyncio.start_unix_server(take, sock=listening, limit=MAX_REQUEST_BYTES, backlog=BACKLOG)
        except BaseException:
            listening.close()
            raise
        return _Socket(server, path)

    def peer_uid(connected: socket.socket) -> int | None:
        """Return which user is at the other end, as the system says; None when it does not say."""
        try:
            if hasattr(socket, "SO_PEERCRED"):
                _, uid, _ = struct.unpack("3i", connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
                return int(uid)
            version, uid = struct.unpack_from("2I", connected.getsockopt(0, 1, 76))  # LOCAL_PEERCRED, struct xucred
        except (OSError, struct.error):
            return None
        return int(uid) if version == 0 else None
