"""A simulated desktop: the sync conversation of an agent without its disk, so that one process can hold a thousand.

It enrols like an agent, pulls on every poke and opens, verifies and counts every page; it keeps the newest version of
each row and nothing else. What it does not do: edit, sign in, or send readings.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field
from typing import Any, Final

from pulse_chassis.mqtt import InboundMessage, MqttEndpoint, MqttSession
from pulse_chassis.sealing import SealKey
from pulse_chassis.signatures import SigningKey, TrustedKeys
from pulse_contracts.enrolment import EnrolmentRequest, EnrolmentResult
from pulse_contracts.ids import ClientId
from pulse_contracts.sync import DOWN, DOWN_TYPE, SEALED, Page, Pull
from pulse_contracts.topics import SYNC_UPDATE_FILTER, sync_down, sync_up
from pulse_simulator.gateway_session import GatewaySession

_ENDPOINT_SECONDS: Final = 15.0


@dataclass(slots=True)
class SimulatedDesktop:
    """One enrolled desktop; `connect` it, then ask `has`. `cursor` is how far its swapped rows reach."""

    result: EnrolmentResult
    seal_key: SealKey
    server_keys: TrustedKeys
    cursor: int = 0
    pages: int = 0
    versions: dict[tuple[str, str], int] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    _staged: dict[tuple[str, str], int] = field(default_factory=dict)
    _session: MqttSession | None = None
    _request: str | None = None
    _is_stale: bool = False
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _asking: set[asyncio.Task[int]] = field(default_factory=set)

    async def connect(self) -> None:
        """Connect, and pull what there is."""
        mqtt, device_id = self.result.mqtt, ClientId(self.result.device_id)
        endpoint = MqttEndpoint(mqtt.host, mqtt.port or 0, device_id, self.result.api_key)
        session = await MqttSession.connect(
            endpoint, client_id=device_id, on_message=self._receive, timeout=_ENDPOINT_SECONDS
        )
        self._session = session
        await session.subscribe([(sync_down(device_id), 1), (SYNC_UPDATE_FILTER, 1)])
        self._pull()

    async def disconnect(self) -> None:
        """Leave the broker."""
        if self._session is not None:
            await self._session.disconnect()

    async def wait_for(self, entity: str, row_id: str, version: int) -> None:
        """Return once this version of a row, or a later one, is swapped in."""
        while self.versions.get((entity, row_id), -1) < version:
            self._changed.clear()
            await self._changed.wait()

    async def wait_for_rows(self, entity: str, count: int) -> None:
        """Return once so many rows of an entity are swapped in."""
        while sum(1 for held, _ in self.versions if held == entity) < count:
            self._changed.clear()
            await self._changed.wait()

    def _receive(self, message: InboundMessage) -> None:
        if self._session is not None:
            self._session.ack(message)
        if message.topic != sync_down(ClientId(self.result.device_id)):
            self._pull()
            return
        sealed = message.payload.removeprefix(SEALED)
        down = DOWN.validate_json(self.server_keys.open(self.seal_key.open(sealed), DOWN_TYPE))
        if isinstance(down, Page) and down.req == self._request:
            self._take(down)
        elif not isinstance(down, Page):
            self.refused.append(down.type)

    def _take(self, page: Page) -> None:
        self.pages += 1
        self._staged.update({(row.entity, row.id): row.version for row in page.rows})
        if page.next is not None:
            self._ask(Pull(req=self._request or "", since=self.cursor, checkpoint=page.checkpoint, after=page.next))
            return
        self.versions.update(self._staged)
        self._staged.clear()
        self.cursor, self._request = page.checkpoint, None
        self._changed.set()
        if self._is_stale or page.head > page.checkpoint:
            self._pull()

    def _pull(self) -> None:
        """Ask for what is new; while a question is open, the next one waits for its answer."""
        self._is_stale = self._request is not None
        if self._request is None:
            self._request = uuid.uuid4().hex
            self._ask(Pull(req=self._request, since=self.cursor))

    def _ask(self, pull: Pull) -> None:
        if self._session is not None:
            payload = pull.model_dump_json(exclude_none=True).encode()
            task = asyncio.create_task(self._session.publish(sync_up(ClientId(self.result.device_id)), payload))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)


async def enrol_desktop(
    session: GatewaySession, device_id: str, kind: str, server_keys: list[dict[str, Any]]
) -> SimulatedDesktop:
    """Enrol a desktop with keys of its own; `server_keys` is what `GET /api/sync/keys` gave. Raises GatewayError."""
    code = await session.request("POST", "/api/devices/enrolment-codes", json={"id": device_id, "kind": kind})
    seal_key = SealKey.generate()
    request = EnrolmentRequest(
        code=code["code"], sign_jwk=SigningKey.generate().public_jwk(), seal_key=seal_key.public_key
    )
    answer = await session.request("POST", "/api/devices/enroll", json=request.model_dump(exclude_none=True))
    return SimulatedDesktop(EnrolmentResult.model_validate(answer), seal_key, TrustedKeys(server_keys))
