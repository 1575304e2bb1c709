"""Where the agent of a folder is spoken to by the windows of its user (`local_protocol`). Imports nothing heavy."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

SOCKET_FILE: Final = "local/agent.sock"
"""In a folder of its own, which only its owner may enter, whatever the agent's folder allows."""
PIPE_PREFIX: Final = "\\\\.\\pipe\\precisionpulse-agent-"
MAX_REQUEST_BYTES: Final = 64 * 1024
"""A line of the window, its end included; a longer one ends the connection (`line_too_long`)."""
MAX_WINDOWS: Final = 16
OUTPUT_FILE: Final = "agent-output.log"
"""What an agent that a window started says on its standard output and error; it appends."""
OUTPUT_FILE_BEFORE: Final = "agent-output.log.1"
"""What it said before that, once there was too much."""
MAX_OUTPUT_BYTES: Final = 1024 * 1024


def local_address(data: Path) -> str:
    """Return where the agent of the folder `data` listens: a socket's path, or on Windows a pipe's name."""
    if os.name != "nt":
        return str(data / SOCKET_FILE)
    return PIPE_PREFIX + hashlib.sha256(os.path.normcase(data.resolve()).encode()).hexdigest()[:32]
