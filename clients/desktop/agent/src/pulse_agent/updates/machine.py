"""What this machine is, as releases name it, and where its user keeps downloads."""

from __future__ import annotations

import os
import platform
import re
import sys
from pathlib import Path
from typing import Final

from pulse_contracts.releases import Platform

DPKG_LIST: Final = Path("/var/lib/dpkg/info/precisionpulse.list")
"""It is there where the .deb is installed."""
_MACHINES: Final = {"amd64": "x86_64", "aarch64": "arm64"}
_XDG: Final = re.compile(r'^XDG_DOWNLOAD_DIR="(\$HOME/)?([^"]+)"', re.MULTILINE)


def this_platform() -> Platform:
    """Return which of a release's files is for this machine."""
    if sys.platform == "win32":
        return Platform.WINDOWS
    if sys.platform == "darwin":
        return Platform.MACOS
    return Platform.LINUX_DEB if DPKG_LIST.exists() else Platform.LINUX_FOLDER


def this_machine() -> str:
    """Return the processor's name."""
    name = platform.machine().lower()
    return _MACHINES.get(name, name)


def downloads_folder() -> Path:
    """Return where this user's downloads go: by the desktop's own setting on Linux, else `Downloads`."""
    home = Path.home()
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    try:
        chosen = _XDG.search((config / "user-dirs.dirs").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        chosen = None
    if chosen is not None:
        return home / chosen[2] if chosen[1] else Path(chosen[2])
    return home / "Downloads"
