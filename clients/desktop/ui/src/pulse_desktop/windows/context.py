"""What every window is given: the bridge, the texts, the choices of the person, and the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pulse_contracts.permissions import Permission
from pulse_desktop.autostart import Autostart
from pulse_desktop.bridge import Bridge
from pulse_desktop.model.access import may
from pulse_desktop.preferences import PreferencesFile
from pulse_desktop.texts.catalogue import TEXTS, Texts


@dataclass(slots=True)
class Context:
    """Shared by the windows of one process; `choices_changed` has the program dress and word itself anew."""

    bridge: Bridge
    preferences: PreferencesFile
    autostart: Autostart
    version: str
    choices_changed: Callable[[], None]
    has_tray: Callable[[], bool]
    now: Callable[[], float] = field(default=time.time)

    @property
    def texts(self) -> Texts:
        """The texts of the chosen language."""
        return TEXTS[self.preferences.value.language]

    def may(self, permission: Permission) -> bool:
        """Whether who is signed in has a right."""
        return may(self.bridge.session, permission)

    def lacks(self, permission: Permission) -> str:
        """Say that a right is missing."""
        return self.texts.general.not_allowed.format(permission=permission.value)
