"""One program per folder of an agent: a second start raises the first one's window, or has it open another, and ends.

The socket lies in the agent's own folder, which only its owner may enter, and is open to this user alone.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Final

from PySide6.QtCore import QObject
from PySide6.QtNetwork import QLocalServer, QLocalSocket

CONNECT_MS: Final = 500
SOCKET_FILE: Final = "local/window.sock"
MAX_WORD_BYTES: Final = 16


class Call(StrEnum):
    """What a second start asks of the first."""

    RAISE = "raise"
    OPEN = "open"


def window_address(data: Path) -> str:
    """Return where the program of a folder listens: a socket's path, or on Windows a pipe's name."""
    if os.name != "nt":
        return str(data / SOCKET_FILE)
    return "precisionpulse-window-" + hashlib.sha256(os.path.normcase(data.resolve()).encode()).hexdigest()[:32]


def call_running(data: Path, call: Call) -> bool:
    """Hand the call to the program that runs already; False when none does."""
    socket = QLocalSocket()
    socket.connectToServer(window_address(data))
    if not socket.waitForConnected(CONNECT_MS):
        return False
    socket.write(call.value.encode() + b"\n")
    return socket.waitForBytesWritten(CONNECT_MS)


class SingleInstance(QObject):
    """Listens for second starts."""

    def __init__(self, data: Path, take: Callable[[Call], None]) -> None:
        super().__init__()
        self._take = take
        self._server = QLocalServer()
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        address = window_address(data)
        if os.name != "nt":
            Path(address).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        QLocalServer.removeServer(address)
        self.is_listening = self._server.listen(address)
        self._server.newConnection.connect(self._accept)

    def close(self) -> None:
        """Listen no more."""
        self._server.close()

    def _accept(self) -> None:
        socket = self._server.nextPendingConnection()
        socket.readyRead.connect(lambda: self._read(socket))
        socket.disconnected.connect(socket.deleteLater)

    def _read(self, socket: QLocalSocket) -> None:
        word = bytes(socket.read(MAX_WORD_BYTES).data()).decode("ascii", "replace").strip()
        socket.disconnectFromServer()
        if word in set(Call):
            self._take(Call(word))
