"""A person makes a desktop compare everything with the server: an unasked page without rows, but with a checksum.

Whatever differs the desktop fetches by itself, as after any other pull. One that is not connected compares when it
connects, because each pull ends with a checksum.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pulse_chassis.clock import Clock
from pulse_chassis.errors import ConflictError
from pulse_sync.use_cases.ports import Desktop, ScopeReader
from pulse_sync.use_cases.serve_pull import ServePull
from pulse_sync.use_cases.view_ports import DesktopView, DeviceScope, ForceBook, SyncViews

Send = Callable[[Desktop, dict[str, Any]], Awaitable[None]]


class ForceSync:
    """Forces a sync."""

    def __init__(
        self, views: SyncViews, scopes: ScopeReader, pull: ServePull, book: ForceBook, send: Send, clock: Clock
    ) -> None:
        self._views = views
        self._scopes = scopes
        self._pull = pull
        self._book = book
        self._send = send
        self._clock = clock

    async def __call__(self, scope: DeviceScope, device_id: str) -> DesktopView:
        """Send it. Raises NotFoundError, ConflictError for a desktop that is disabled."""
        view = await self._views.desktop(scope, device_id)
        desktop = (await self._scopes.standing(device_id)).desktop
        if desktop is None or not desktop.is_active:
            message = "this desktop is disabled"
            raise ConflictError(message, code="desktop_disabled")
        await self._book.note_forced(device_id, self._clock.now())
        await self._send(desktop, await self._pull.forced(device_id))
        return view
