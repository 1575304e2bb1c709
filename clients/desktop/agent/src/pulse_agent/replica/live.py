"""The replica of a running agent: its own thread for the file, the delivery's connection for its messages.

Guarantees: nothing here holds up readings: the event loop only passes messages on; a file that cannot be opened or
written is tried again later, and said once; of messages that come faster than the disk takes them the newest are
dropped, and asked for again. Edits that another process made in the file are noticed within a second.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from uuid import UUID

from pulse_agent.commands.built_in import SyncFailedError
from pulse_agent.configuration.entries import ConfigEntry
from pulse_agent.migrations import NewerDatabaseError
from pulse_agent.replica.database import is_damage
from pulse_agent.replica.identity import DesktopIdentity
from pulse_agent.replica.replica import Replica
from pulse_chassis.backoff import Backoff
from pulse_chassis.clock import Clock
from pulse_chassis.logging import get_logger
from pulse_chassis.mqtt import InboundMessage, MqttError, MqttSession, NotConnectedError
from pulse_contracts.configuration import ConfigScope, config_id
from pulse_contracts.operations import EditableEntity
from pulse_contracts.sync import AppliedConfig, ServiceKeys
from pulse_contracts.topics import SYNC_UPDATE_FILTER, sync_down, sync_up

MAX_INBOX: Final = 64
"""Messages that wait for the disk; overflow policy: the newest is dropped."""
LOOK_SECONDS: Final = 1.0
"""How often the file is looked at for other processes' edits."""
PUBLISH_SECONDS: Final = 10.0
COMPARE_SECONDS: Final = 240.0
_FAILURES: Final = (sqlite3.Error, OSError, NewerDatabaseError)

T = TypeVar("T")

_log = get_logger("live_replica")


class ReplicaAwayError(Exception):
    """The replica's file cannot be used now; the log says why."""


class LiveReplica:
    """A `Downlink`, and what commands and live configuration ask. Enter it, then hand `run` to the workers."""

    def __init__(self, path: Path, identity: DesktopIdentity, clock: Clock) -> None:
        self._path = path
        self._identity = identity
        self._clock = clock
        self._keys: ServiceKeys | None = identity.sync_keys
        self._disk = ThreadPoolExecutor(1, "replica")
        self._replica: Replica | None = None
        self._session: MqttSession | None = None
        self._inbox: deque[tuple[InboundMessage, MqttSession]] = deque()
        self._links: deque[bool] = deque()
        self._wake = asyncio.Event()
        self._pulled = asyncio.Condition()
        self._entries: tuple[ConfigEntry, ...] = ()
        self._applied: tuple[AppliedConfig, ...] | None = None
        self._listeners: list[Callable[[], None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_failing = False
        self._is_suspect = False

    # -- the connection (Downlink) ----------------------------------------------------------------------------------

    @property
    def filters(self) -> Sequence[tuple[str, int]]:
        """What sync sends to this desktop, and the pokes for all."""
        return ((sync_down(self._identity.device_id), 1), (SYNC_UPDATE_FILTER, 1))

    def receive(self, message: InboundMessage, session: MqttSession) -> None:
        """Take a message; it is acked when the replica has dealt with it."""
        if len(self._inbox) >= MAX_INBOX:
            session.ack(message)
            return
        self._inbox.append((message, session))
        self._wake.set()

    def connected(self, session: MqttSession) -> None:
        """Speak through this session."""
        self._session = session
        self._links.append(True)
        self._wake.set()

    def disconnected(self) -> None:
        """Wait for the next one."""
        self._session = None
        self._links.append(False)
        self._wake.set()

    # -- use --------------------------------------------------------------------------------------------------------

    def effective(self) -> Sequence[ConfigEntry]:
        """Return the configuration entry in force of each key."""
        return self._entries

    def on_config(self, listener: Callable[[], None]) -> None:
        """Have `listener` called in the event loop when `effective` says something else."""
        self._listeners.append(listener)

    async def edit_config(self, key: str, value: Any, actor: UUID) -> None:
        """Set a key for this device as an edit by `actor`. Raises EditRefusedError, ReplicaAwayError."""
        row_id = config_id(ConfigScope.DEVICE, self._identity.device_id, key)
        config = await self._ask(lambda r: _recorded(r, actor, row_id, {"value": value}))
        self._take_config(config)
        self._wake.set()

    @property
    def identity(self) -> DesktopIdentity:
        """Who this desktop is, with the server's keys as far as they are known."""
        return replace(self._identity, sync_keys=self._keys)

    async def ask(self, work: Callable[[Replica], T], *, is_edit: bool = False) -> T:
        """Run `work` in the replica's thread; `is_edit`: what it changed is sent at once. Raises ReplicaAwayError."""
        result = await self._ask(work)
        if is_edit:
            self._wake.set()
        return result

    def report(self, applied: Sequence[AppliedConfig]) -> None:
        """Tell the server what became of each configuration entry."""
        self._applied = tuple(applied)
        self._wake.set()

    def trust(self, keys: ServiceKeys) -> None:
        """Believe sync's keys from now on."""
        self._keys = keys
        if self._replica is not None:
            self._disk.submit(self._replica.trust, keys)
        self._wake.set()

    async def compare_all(self) -> Mapping[str, Any]:
        """Compare everything with the server now and fetch what differs. Raises SyncFailedError."""
        if self._keys is None:
            raise SyncFailedError("no_keys", "the keys of the server's sync were not fetched yet")
        try:
            before = await self._ask(_begin_comparison)
            self._wake.set()
            async with asyncio.timeout(COMPARE_SECONDS):
                result = await self._compared(before)
        except ReplicaAwayError as error:
            raise SyncFailedError("no_replica", str(error)) from error
        except TimeoutError:
            raise SyncFailedError("no_answer", "the server did not answer in time") from None
        return result

    async def _compared(self, before: int) -> dict[str, Any]:
        differed: set[str] = set()
        seen = before
        async with self._pulled:
            while True:
                replica = self._replica
                if replica is not None and replica.pulls > seen:
                    seen = replica.pulls
                    differed.update(replica.differing)
                    status = await self._ask(lambda r: r.status())
                    if not status.needs_snapshot or seen - before > 2:
                        return {"cursor": status.cursor, "differed": sorted(differed), "pending": status.pending}
                await self._pulled.wait()

    # -- life -------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Open the file, so that the configuration in force is known; a file that cannot be opened is tried later."""
        self._loop = asyncio.get_running_loop()
        await self._try_open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._replica is not None:
            await asyncio.get_running_loop().run_in_executor(self._disk, self._replica.close)
            self._replica = None
        self._disk.shutdown(wait=False)

    async def run(self, stop: asyncio.Event) -> None:
        """Sync until `stop`."""
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(self._wake_up)
        backoff = Backoff(1.0, 60.0)
        due: float | None = None
        try:
            while not stop.is_set():
                await self._wait(due)
                if stop.is_set():
                    return
                try:
                    due = await self._turn()
                    backoff.reset()
                except Exception as error:  # noqa: BLE001 # the supervisor of sync: what breaks in it must not end delivery
                    if not isinstance(error, ReplicaAwayError):
                        _log.exception("replica_turn_failed")
                    sleeping = asyncio.ensure_future(self._clock.sleep(backoff.next_delay() + LOOK_SECONDS))
                    await asyncio.wait({sleeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
                    sleeping.cancel()
        finally:
            stopping.cancel()

    async def _wait(self, due: float | None) -> None:
        if not self._wake.is_set():
            seconds = LOOK_SECONDS if due is None else min(LOOK_SECONDS, max(0.0, due - self._clock.monotonic()))
            sleeping = asyncio.ensure_future(self._clock.sleep(seconds))
            sleeping.add_done_callback(self._wake_up)
            try:
                await self._wake.wait()
            finally:
                sleeping.cancel()
        self._wake.clear()

    def _wake_up(self, done: asyncio.Future[Any]) -> None:
        if not done.cancelled():
            self._wake.set()

    async def _turn(self) -> float | None:
        """Give the replica what came, send what it says; return when it is due again."""
        if self._replica is None:
            await self._try_open()
        messages = [self._inbox.popleft() for _ in range(len(self._inbox))]
        links = [self._links.popleft() for _ in range(len(self._links))]
        session, applied = self._session, self._applied
        pulls = 0 if self._replica is None else self._replica.pulls

        def work(replica: Replica) -> tuple[list[bytes], float | None]:
            for is_up in links:
                (replica.connected if is_up else replica.disconnected)()
            for message, _ in messages:
                replica.receive(message.topic, message.payload, message.retain)
            if applied is not None:
                replica.config_applied(applied)
            return replica.outgoing(), replica.next_due()

        try:
            outgoing, due = await self._ask(work)
        finally:
            for message, its_session in messages:
                its_session.ack(message)  # also one that the disk did not take: it is asked for again
        if self._applied is applied:
            self._applied = None
        if session is not None and outgoing:
            await self._publish(session, outgoing)
        if self._replica is not None and self._replica.pulls != pulls:
            async with self._pulled:
                self._pulled.notify_all()
        return due

    async def _publish(self, session: MqttSession, payloads: Sequence[bytes]) -> None:
        topic = sync_up(self._identity.device_id)
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                codes = await session.publish_many([(topic, payload) for payload in payloads], 1)
        except NotConnectedError:
            return
        except (MqttError, TimeoutError) as error:
            _log.warning("sync_not_published", reason=str(error) or type(error).__name__)
            return
        if any(code >= 0x80 for code in codes):
            _log.warning("sync_not_published", reason_codes=codes)

    async def _ask(self, work: Callable[[Replica], T]) -> T:
        """Run `work` in the replica's thread. Raises ReplicaAwayError, after which the file is opened anew."""
        replica = self._replica
        if replica is None:
            raise ReplicaAwayError("the replica's file cannot be opened")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._disk, work, replica)
        except _FAILURES as error:
            self._fail("replica_failed", error)
            self._is_suspect = is_damage(error)
            self._replica = None
            self._links.append(False)
            if self._session is not None:
                self._links.append(True)
            self._disk.submit(replica.close)
            raise ReplicaAwayError(str(error)) from error

    async def _try_open(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._replica, config = await loop.run_in_executor(self._disk, self._open_here)
        except _FAILURES as error:
            self._fail("replica_not_opened", error)
            return
        if self._is_failing:
            _log.info("replica_recovered")
            self._is_failing = False
        self._take_config(config)

    def _open_here(self) -> tuple[Replica, tuple[ConfigEntry, ...]]:
        replica = Replica(self._path, self._identity, self._clock, is_suspect=self._is_suspect)
        self._is_suspect = False
        if self._keys is not None:
            replica.trust(self._keys)
        replica.on_config(self._from_thread)
        return replica, tuple(replica.effective_config().values())

    def _from_thread(self, config: Mapping[str, ConfigEntry]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._take_config, tuple(config.values()))

    def _take_config(self, entries: tuple[ConfigEntry, ...]) -> None:
        if entries != self._entries:
            self._entries = entries
            for listener in self._listeners:
                listener()

    def _fail(self, event: str, error: Exception) -> None:
        log = _log.debug if self._is_failing else _log.error
        log(event, reason=str(error), path=str(self._path))
        self._is_failing = True


def _recorded(replica: Replica, actor: UUID, row_id: str, fields: dict[str, Any]) -> tuple[ConfigEntry, ...]:
    replica.record(actor, EditableEntity.CONFIG, row_id, fields)
    return tuple(replica.effective_config().values())


def _begin_comparison(replica: Replica) -> int:
    """Ask for a comparison; return after how many pulls it may have begun."""
    replica.request_sync()
    return replica.pulls + (1 if replica.is_pulling else 0)
