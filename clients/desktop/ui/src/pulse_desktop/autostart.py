"""Whether the window opens when the person signs in to this computer: an XDG autostart entry, a Run value or a LaunchAgent.

On Linux the entry is `precisionpulse.desktop` in the autostart folder of the XDG configuration; on Windows a value of the
user's Run key in the registry; on macOS a LaunchAgent's property list. All three concern this user alone.
"""

from __future__ import annotations

import os
import plistlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

APPLICATION_ID: Final = "precisionpulse"
LAUNCH_LABEL: Final = "org.precisionpulse.desktop"
RUN_KEY: Final = r"Software\Microsoft\Windows\CurrentVersion\Run"


class Autostart(Protocol):
    """Tells whether the window opens by itself, and changes that. Both may raise OSError."""

    def is_on(self) -> bool:
        """Whether it does."""

    def set_on(self, is_on: bool) -> None:
        """Have it do so or not."""


class XdgAutostart:
    """An entry in the folder that Linux desktops start programs from."""

    def __init__(self, command: Sequence[str], folder: Path | None = None) -> None:
        config = os.environ.get("XDG_CONFIG_HOME")
        root = Path(config) if config else Path.home() / ".config"
        self._path = (folder or root / "autostart") / f"{APPLICATION_ID}.desktop"
        self._command = command

    def is_on(self) -> bool:
        """Whether the entry is there."""
        return self._path.exists()

    def set_on(self, is_on: bool) -> None:
        """Write or remove the entry."""
        if not is_on:
            self._path.unlink(missing_ok=True)
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        line = " ".join(_quoted(part) for part in self._command)
        self._path.write_text(
            "[Desktop Entry]\nType=Application\nName=PrecisionPulse\n"
            f"Exec={line}\nIcon={APPLICATION_ID}\nTerminal=false\nX-GNOME-Autostart-enabled=true\n",
            encoding="utf-8",
        )


class LaunchAgentAutostart:
    """A LaunchAgent of this user, for macOS."""

    def __init__(self, command: Sequence[str], folder: Path | None = None) -> None:
        self._path = (folder or Path.home() / "Library" / "LaunchAgents") / f"{LAUNCH_LABEL}.plist"
        self._command = command

    def is_on(self) -> bool:
        """Whether the property list is there."""
        return self._path.exists()

    def set_on(self, is_on: bool) -> None:
        """Write or remove the property list."""
        if not is_on:
            self._path.unlink(missing_ok=True)
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fields = {"Label": LAUNCH_LABEL, "ProgramArguments": list(self._command), "RunAtLoad": True}
        self._path.write_bytes(plistlib.dumps(fields))


class RunKeyAutostart:
    """A value of the user's Run key, for Windows."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command

    def is_on(self) -> bool:
        """Whether the value is there."""
        registry = _registry()
        try:
            with registry.OpenKey(registry.HKEY_CURRENT_USER, RUN_KEY) as key:
                registry.QueryValueEx(key, APPLICATION_ID)
        except FileNotFoundError:
            return False
        return True

    def set_on(self, is_on: bool) -> None:
        """Write or remove the value."""
        registry = _registry()
        with registry.OpenKey(registry.HKEY_CURRENT_USER, RUN_KEY, 0, registry.KEY_SET_VALUE) as key:
            if is_on:
                line = subprocess.list2cmdline(self._command)
                registry.SetValueEx(key, APPLICATION_ID, 0, registry.REG_SZ, line)
            elif self.is_on():
                registry.DeleteValue(key, APPLICATION_ID)


def autostart_here(command: Sequence[str]) -> Autostart:
    """Return what does it on this system."""
    if os.name == "nt":
        return RunKeyAutostart(command)
    if sys.platform == "darwin":
        return LaunchAgentAutostart(command)
    return XdgAutostart(command)


def _registry() -> Any:
    """Return Windows' registry module, which no other system has."""
    import importlib

    return importlib.import_module("winreg")


def _quoted(part: str) -> str:
    """Quote one argument as desktop entries do."""
    if part and not any(character in part for character in " \t\n\"'\\><~|&;$*?#()`%"):
        return part
    escaped = part.replace("%", "%%")
    for character in ("\\", '"', "`", "$"):
        escaped = escaped.replace(character, f"\\{character}")
    return f'"{escaped}"'
