"""How an agent is doing, put together for windows."""

from __future__ import annotations

import os
import platform
import sqlite3
from dataclasses import asdict
from functools import cache
from pathlib import Path

from pulse_agent.configuration.device import EnrolledDevice
from pulse_agent.domain.connection import ConnectionView
from pulse_agent.local_protocol.desk import Desk
from pulse_agent.outbox.writer import OutboxStats
from pulse_agent.replica.status import ReplicaStatus
from pulse_agent.settings import agent_version
from pulse_contracts.local_protocol import VERSIONS
from pulse_contracts.local_status import (
    Backlog,
    Connection,
    ConnectionStatus,
    DeviceInfo,
    Drain,
    Mode,
    Recovery,
    Status,
    SyncStatus,
    Versions,
)


@cache
def versions() -> Versions:
    """Return the versions, for the about box."""
    return Versions(
        agent=agent_version(),
        protocol=VERSIONS[-1],
        python=platform.python_version(),
        sqlite=sqlite3.sqlite_version,
        platform=f"{platform.system()} {platform.release()}",
    )


def device_info(device: EnrolledDevice) -> DeviceInfo:
    """Return an enrolment as windows show it."""
    return DeviceInfo(
        device_id=device.device_id,
        name=device.name,
        server_url=device.server_url,
        broker_host=device.host,
        broker_port=device.tls_port or device.port or 0,
        is_tls=device.tls_port is not None,
        key_store=device.key_store,
    )


def unenrolled_status(data: Path, note: str, started: float, now: float) -> Status:
    """Return the status of an agent that waits to be enrolled."""
    return Status(
        mode=Mode.UNENROLLED,
        connection=ConnectionStatus(state=Connection.DISCONNECTED, since_ms=_ms(started), reason="starting"),
        backlog=Backlog(readings=0, bytes=0, max_bytes=0, fullness="normal"),
        sync=SyncStatus(is_taking_part=False, note=note),
        data_folder=str(data),
        pid=os.getpid(),
        started_ms=_ms(started),
        now_ms=_ms(now),
        versions=versions(),
    )


class StatusReader:
    """Reads one running agent. What takes the disk is asked for only when it may have changed."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._oldest: tuple[int, int | None] = (0, None)
        self._sync = SyncStatus(is_taking_part=desk.parts.replica is not None, note=desk.parts.no_sync)

    async def read(self) -> Status:
        """Return the status, all of it looked up now."""
        if self._desk.parts.replica is not None:
            self.take_sync(await self._desk.ask(lambda place: place.replica.status()))
        await self.look_for_oldest()
        return self.status()

    def take_sync(self, found: ReplicaStatus) -> None:
        """Show this as how sync stands."""
        missing = self._desk.parts.missing_keys()
        self._sync = SyncStatus(
            is_taking_part=True,
            note="the keys of the server's sync were not fetched yet" if "sync" in missing else "",
            last_sync_ms=found.last_sync_at_ms,
            behind=max(0, found.head - found.cursor),
            pending=found.pending,
            unread_notices=found.unread,
            error=found.error,
            keys_missing=missing,
            lease_until_ms=None if found.lease_until is None else found.lease_until * 1000,
        )

    async def look_for_oldest(self) -> None:
        """Look up when the oldest reading was recorded, if it is another one than before."""
        outbox = self._desk.parts.agent.outbox
        stats = outbox.stats
        if stats.rows == 0:
            self._oldest = (0, None)
        elif stats.oldest_unacked != self._oldest[0]:
            at = await outbox.recorded_at(stats.oldest_unacked)
            self._oldest = (stats.oldest_unacked, None if at is None else at // 1000)

    def backlog(self) -> Backlog:
        """Return what waits on this disk."""
        parts = self._desk.parts
        status = parts.agent.status()
        stats = status.stats
        acked = status.counts.last_ack_at
        return Backlog(
            readings=stats.rows,
            bytes=stats.used_bytes,
            max_bytes=parts.agent.outbox.quota.max_bytes,
            fullness=stats.fullness.value,
            is_disk_low=stats.disk_low,
            oldest_ms=self._oldest[1],
            last_ack_ms=_ms(acked) if acked else None,
            drain=self._drain(stats),
        )

    def status(self) -> Status:
        """Return the status, from what was looked up last."""
        parts = self._desk.parts
        found = parts.agent.status()
        recovery = parts.agent.outbox.recovery
        now = parts.clock.now().timestamp()
        offset = _ms(parts.server_time.now() - now) if parts.server_time.is_known else None
        return Status(
            mode=Mode.ENROLLED,
            connection=connection_status(found.connection),
            backlog=self.backlog(),
            sync=self._sync,
            device=device_info(parts.device),
            quarantined=found.stats.quarantined,
            losses=found.stats.losses,
            refused=found.refused,
            recovery=None if recovery is None else Recovery.model_validate(asdict(recovery)),
            data_folder=str(parts.data),
            pid=os.getpid(),
            started_ms=_ms(parts.started),
            now_ms=_ms(now),
            server_offset_ms=offset,
            versions=versions(),
        )

    def _drain(self, stats: OutboxStats) -> Drain | None:
        parts = self._desk.parts
        found = parts.observations.drain.progress(parts.clock.monotonic(), stats.rows)
        if found is None:
            return None
        return Drain(
            started_ms=_ms(found.started_at),
            started_with=found.started_with,
            left=found.left,
            rate_per_s=None if found.rate is None else round(found.rate, 1),
            seconds_left=None if found.seconds_left is None else round(found.seconds_left, 1),
        )


def connection_status(view: ConnectionView) -> ConnectionStatus:
    """Return the state of delivery in the protocol's words."""
    return ConnectionStatus(
        state=Connection[view.state.name],
        since_ms=_ms(view.since),
        reason=view.reason.value,
        detail=view.detail,
        next_try_ms=None if view.retry_at is None else _ms(view.retry_at),
    )


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
