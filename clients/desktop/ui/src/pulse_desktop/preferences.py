"""What a person chose for the window on this machine: a small JSON file in the agent's folder. Never holds a password."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from pulse_desktop.texts.language import Language, language_of_system

PREFERENCES_FILE: Final = "window.json"


class Appearance(StrEnum):
    """Which theme was chosen."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, slots=True)
class Preferences:
    """What was chosen; `username` is the remembered name, empty for none."""

    language: Language
    appearance: Appearance = Appearance.SYSTEM
    username: str = ""
    stays_in_tray: bool = True
    metric: str = ""
    chart_seconds: int = 60


class PreferencesFile:
    """Reads and writes the file. A damaged one counts as none; one that cannot be written is not kept."""

    def __init__(self, data: Path) -> None:
        self._path = data / PREFERENCES_FILE
        self.value = self._read()

    def change(self, **changes: Any) -> Preferences:
        """Change some of them and keep all."""
        changed = replace(self.value, **changes)
        if changed != self.value:
            self.value = changed
            self._write()
        return changed

    def _read(self) -> Preferences:
        default = Preferences(language_of_system())
        try:
            fields = json.loads(self._path.read_text(encoding="utf-8"))
            known = {name: fields[name] for name in default.__slots__ if name in fields}
            read = replace(default, **known)
            return replace(
                read,
                language=Language(read.language),
                appearance=Appearance(read.appearance),
                username=str(read.username),
                stays_in_tray=bool(read.stays_in_tray),
                metric=str(read.metric),
                chart_seconds=max(10, min(900, int(read.chart_seconds))),
            )
        except (OSError, ValueError, TypeError, AttributeError):
            return default

    def _write(self) -> None:
        beside = self._path.with_name(f"{self._path.name}.new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(asdict(self.value), file, indent=2)
            beside.replace(self._path)
        except OSError:  # a full or read-only disk: the choice holds until the window closes
            return
