"""How far each desktop is with syncing, by device id, as the `sync` topic shows it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from pulse_contracts.streams import DesktopSyncChanged
from pulse_gateway.domain.keyed import StateEntry

DesktopEntry = StateEntry[DesktopSyncChanged]
_NOT_SHOWN: Final = {"v", "device_id", "is_gone"}


class DesktopBook:
    """All desktops that sync knows. Implements `KeyedBook`."""

    def __init__(self) -> None:
        self._desktops: dict[str, DesktopSyncChanged] = {}

    def apply(self, change: DesktopSyncChanged) -> None:
        """Take a change."""
        if change.is_gone:
            self._desktops.pop(change.device_id, None)
        else:
            self._desktops[change.device_id] = change

    def replace(self, desktops: Iterable[DesktopSyncChanged]) -> None:
        """Start again from what the database holds."""
        self._desktops = {desktop.device_id: desktop for desktop in desktops}

    def device_of(self, key: str) -> str | None:
        """Return the device: its id is the key."""
        return key

    def json(self, key: str) -> str | None:
        """Return a desktop's object as JSON; None when there is no such desktop."""
        desktop = self._desktops.get(key)
        return None if desktop is None else desktop.model_dump_json(exclude=_NOT_SHOWN)

    def keys(self, device_ids: Collection[str] | None) -> Iterable[str]:
        """Give the ids of the desktops among these devices; None means all."""
        return list(self._desktops) if device_ids is None else [d for d in device_ids if d in self._desktops]

    def keys_of(self, device_id: str) -> Iterable[str]:
        """Give the id itself, if it is a desktop's."""
        return (device_id,) if device_id in self._desktops else ()

    def last_sync(self, device_ids: Collection[str] | None) -> int | None:
        """Return when any of these desktops last synchronised, in Unix milliseconds; None: never."""
        times = (self._desktops[key].last_sync_at for key in self.keys(device_ids))
        return max((at for at in times if at is not None), default=None)

    def count(self) -> DesktopCounts:
        """Count all desktops, and what they have not fetched, sent or settled."""
        desktops = self._desktops.values()
        return DesktopCounts(
            behind=sum(1 for desktop in desktops if desktop.lag or desktop.config_lag),
            total=len(desktops),
            lag=sum(desktop.lag for desktop in desktops),
            most_lag=max((desktop.lag for desktop in desktops), default=0),
            config_lag=sum(desktop.config_lag for desktop in desktops),
            pending=sum(desktop.pending for desktop in desktops),
            conflicts=sum(desktop.conflicts for desktop in desktops),
        )


@dataclass(frozen=True, slots=True)
class DesktopCounts:
    """All desktops in figures; lags in entries of the log, `pending` in edits, `conflicts` in open ones."""

    behind: int
    total: int
    lag: int
    most_lag: int
    config_lag: int
    pending: int
    conflicts: int
