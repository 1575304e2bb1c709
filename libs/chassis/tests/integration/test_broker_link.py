"""A service's two connections against the real Mosquitto: bounds, takeovers, and a stop that settles first."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pulse_chassis.broker_link import STEADY_SECONDS, BrokerLink, LinkOptions
from pulse_chassis.clock import ManualClock, SystemClock
from pulse_chassis.mqtt import InboundMessage, MqttConnectionError, MqttEndpoint, MqttSession

Eventually = Callable[..., Awaitable[None]]
TOPIC = "telemetry/{}/buffer"
SHARED = "$share/ingest/telemetry/+/buffer"


class Desk:
    """Takes messages and settles them when it is told to."""

    def __init__(self, link: BrokerLink) -> None:
        self.link = link
        self.waiting: list[InboundMessage] = []
        self.taken: list[bytes] = []
        self.connects = 0
        self.is_settled = asyncio.Event()

    def connected(self) -> None:
        self.connects += 1

    def take(self, message: InboundMessage) -> None:
        self.link.count(message)
        self.waiting.append(message)
        self.taken.append(message.payload)

    def settle(self) -> None:
        self.link.acknowledge(self.waiting)
        self.waiting.clear()

    async def settled(self) -> None:
        await self.is_settled.wait()


class Running:
    """A link that runs for a desk until it is asked to stop."""

    def __init__(self, options: LinkOptions) -> None:
        self.clock = ManualClock()
        self.link = BrokerLink(options, self.clock)
        self.desk = Desk(self.link)
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(self.link.run(self.stop, self.desk))


@pytest.fixture
def options(mosquitto_broker: Any) -> LinkOptions:
    endpoint = MqttEndpoint(mosquitto_broker.host, mosquitto_broker.port, *mosquitto_broker.svc_ingest)
    return LinkOptions(endpoint, "ingest", secrets.token_hex(4), ((SHARED, 1),), receive_maximum=100)


@pytest.fixture
async def publish(mosquitto_broker: Any) -> AsyncIterator[Callable[[list[bytes]], Awaitable[None]]]:
    device, password = f"dev-{secrets.token_hex(4)}", secrets.token_hex(8)
    await asyncio.to_thread(mosquitto_broker.add_device, device, password)
    endpoint = MqttEndpoint(mosquitto_broker.host, mosquitto_broker.port, device, password)
    async with await MqttSession.connect(endpoint, client_id=device, on_message=lambda _message: None) as session:

        async def send(payloads: list[bytes]) -> None:
            await session.publish_many([(TOPIC.format(device), payload) for payload in payloads])

        yield send


@asynccontextmanager
async def running(options: LinkOptions, eventually: Eventually) -> AsyncIterator[Running]:
    run = Running(options)
    try:
        await eventually(lambda: run.desk.connects == 1, 30)
        yield run
    finally:
        run.desk.is_settled.set()
        run.stop.set()
        await asyncio.wait_for(run.task, 30)
        # A durable session that stayed would go on taking its share of what other tests publish.
        last = await MqttSession.connect(
            options.endpoint, client_id=run.link.client_id, on_message=lambda _message: None
        )
        await last.disconnect()


def renamed(options: LinkOptions, **changes: Any) -> LinkOptions:
    values = {name: getattr(options, name) for name in LinkOptions.__slots__}
    return LinkOptions(**(values | changes))


async def test_bytes_that_wait_stop_the_reading_until_half_is_settled(
    options: LinkOptions, publish: Any, eventually: Eventually
) -> None:
    """2,000 messages of the largest size would be half a gigabyte; Receive Maximum alone would let them in."""
    async with running(renamed(options, waiting_bytes=600_000), eventually) as run:
        payloads = [str(number).encode().ljust(100_000) for number in range(40)]
        await publish(payloads)
        await eventually(lambda: len(run.desk.waiting) >= 7, 30)
        # A burst that was read already is finished; the kernel's buffers hold the rest.
        assert len(run.desk.waiting) < 40
        while len(run.desk.taken) < 40:
            run.desk.settle()
            seen = len(run.desk.taken)
            await eventually(lambda seen=seen: len(run.desk.taken) > seen, 30)
        run.desk.settle()
        assert run.desk.taken == payloads
        assert run.link.up is not None
        assert run.link.up.open_messages == 0


async def test_a_stop_waits_until_what_was_read_is_settled(
    options: LinkOptions, publish: Any, eventually: Eventually
) -> None:
    async with running(options, eventually) as run:
        await publish([b"one"])
        await eventually(lambda: run.desk.taken == [b"one"], 30)
        run.stop.set()
        up = run.link.up
        assert up is not None
        done, _waiting = await asyncio.wait({run.task}, timeout=0.2)
        assert not done
        assert up.is_open
        run.desk.settle()
        run.desk.is_settled.set()
        await asyncio.wait_for(run.task, 30)
        assert up.open_messages == 0
        assert not run.link.is_open
        with pytest.raises(MqttConnectionError):
            await run.link.check()


async def test_a_lost_connection_is_made_again_and_old_receipts_are_worth_nothing(
    options: LinkOptions, publish: Any, eventually: Eventually
) -> None:
    async with running(renamed(options, session="durable"), eventually) as run:
        await publish([b"before"])
        await eventually(lambda: run.desk.taken == [b"before"], 30)
        [old] = run.desk.waiting
        run.desk.waiting.clear()
        assert run.link.brought(old)
        assert run.link.down is not None
        await run.link.down.close()  # either connection ends both
        await eventually(lambda: run.desk.connects == 2, 30)
        assert not run.link.brought(old)
        run.link.acknowledge([old])
        await eventually(lambda: run.desk.taken == [b"before", b"before"], 30)  # the broker's durable session kept it
        run.desk.settle()
        assert run.link.connects == 2


async def test_two_that_have_one_name_do_not_throw_each_other_out_without_a_pause(
    options: LinkOptions, eventually: Eventually
) -> None:
    """Mosquitto 2.0 ends the older session without a reason, so this looks like any other end, and again, and again."""
    durable = renamed(options, session="durable")
    async with running(durable, eventually) as first, running(durable, eventually) as second:
        await eventually(lambda: first.link.connects + second.link.connects >= 6, 60)
        assert first.link.longest_pause + second.link.longest_pause > 1.0


async def test_a_link_that_was_steady_is_made_again_at_once(options: LinkOptions, eventually: Eventually) -> None:
    async with running(options, eventually) as run:
        run.clock.advance(STEADY_SECONDS)
        assert run.link.down is not None
        await run.link.down.close()
        await eventually(lambda: run.desk.connects == 2, 30)
        assert run.link.longest_pause == BrokerLink(options, SystemClock()).longest_pause
