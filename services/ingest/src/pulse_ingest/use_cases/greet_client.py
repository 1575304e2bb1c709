"""Answer a hello: under which epoch to go on, what is already here, and how much may come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pulse_chassis.logging import get_logger
from pulse_contracts.acks import Credit, Welcome
from pulse_contracts.ids import ClientId
from pulse_contracts.presence import Hello
from pulse_ingest.domain.credit import FairShare
from pulse_ingest.domain.presence import StatusChange
from pulse_ingest.domain.token_bucket import RateLimit
from pulse_ingest.use_cases.ports import Downlink, Instruments, PresenceStore
from pulse_ingest.use_cases.report_devices import ReportDevices

_log = get_logger("greet_client")


@dataclass(eq=False)
class GreetClient:
    """Decides about hellos and sends the welcomes."""

    store: PresenceStore
    downlink: Downlink
    devices: ReportDevices
    limit: RateLimit
    share: FairShare
    instruments: Instruments
    monotonic: Callable[[], float]

    async def __call__(self, hello: Hello, received_us: int) -> None:
        """Decide, write down, send the welcome. Raises DeferredError; the hello may be tried again then."""
        client_id = ClientId(hello.client_id)
        greeting = await self.store.greet(hello, received_us)
        self.share.note(client_id)
        welcome = Welcome(
            epoch=greeting.epoch,
            cum=greeting.cum,
            received=list(greeting.received.spans),
            head=greeting.head,
            credit=Credit(rows_s=int(self.limit.rows_s), window=self.share.window(self.monotonic())),
            server_time=received_us // 1000,
            id=greeting.hello_id,
        )
        await self.downlink.send_welcome(client_id, welcome)
        self.instruments.hello_answered(greeting)
        if greeting.is_repeated:
            _log.info("hello_repeated", client_id=client_id, id=hello.id, decided=greeting.hello_id)
            return
        if greeting.renewed is not None:
            _log.info("epoch_renewed", client_id=client_id, epoch=greeting.epoch, reason=greeting.renewed)
        if greeting.came_online:
            self.devices.status_changed(StatusChange(client_id, "ONLINE", received_us, received_us))
        self.devices.ledgers_changed([client_id])
