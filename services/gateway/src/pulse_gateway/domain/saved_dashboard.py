"""What a person keeps on the server for themselves: named dashboards, one of them the default, and preferences.

The documents are what `http` has checked; here they are opaque.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

MAX_DASHBOARDS: Final = 32
"""Of one person."""
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A named arrangement of widgets. Of a person's dashboards exactly one is the default."""

    id: UUID
    user_id: UUID
    name: str
    is_default: bool
    document: Document
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class DashboardWish:
    """What a person wants a dashboard to be."""

    name: str
    is_default: bool | None
    """None: as it is."""
    document: Document


@dataclass(frozen=True, slots=True)
class Preferences:
    """How a person wants the product to look; version 0 and no time: never saved."""

    user_id: UUID
    document: Document
    version: int
    updated_at: datetime | None
