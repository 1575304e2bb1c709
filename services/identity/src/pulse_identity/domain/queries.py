"""What part of a list somebody asks for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list: after `cursor` (the last id of the page before) or from `offset`."""

    limit: int
    offset: int = 0
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class DeviceFilter:
    """Which of the devices in scope."""

    search: str | None = None
    group: str | None = None
    kind: str | None = None
    is_active: bool | None = None
