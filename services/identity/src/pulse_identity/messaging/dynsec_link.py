"""The connection to Mosquitto's dynamic-security plugin: commands out, each matched with its answer.

Guaranteed: the answers are subscribed to before a command goes out; a command is answered, or fails with
UnavailableError, within `ANSWER_SECONDS`; a lost connection fails what waits at once and is made anew with backoff.
Answers go to every subscriber at QoS 0, so those that nobody here waits for are normal and ignored.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import aiomqtt

from pulse_chassis.backoff import Backoff
from pulse_chassis.errors import UnavailableError
from pulse_chassis.logging import get_logger
from pulse_chassis.mqtt import MqttEndpoint
from pulse_chassis.run import Worker

REQUEST_TOPIC: Final = "$CONTROL/dynamic-security/v1"
RESPONSE_TOPIC: Final = f"{REQUEST_TOPIC}/response"
BATCH_COMMANDS: Final = 10
"""More in one message and the broker, which has one thread, keeps everybody waiting."""
ANSWER_SECONDS: Final = 5.0
CONNECT_WAIT_SECONDS: Final = 2.0
"""How long a command waits for a connection that is just being made anew."""
_KEEPALIVE_SECONDS: Final = 10
_INBOX: Final = 1_000
_log = get_logger("broker")

Command = dict[str, Any]
Answer = Mapping[str, Any]
OnConnected = Callable[["DynsecLink"], Awaitable[None]]


class DynsecLink:
    """One connection as the broker's administrator, kept by its worker."""

    def __init__(self, endpoint: MqttEndpoint, *, on_connected: OnConnected | None = None) -> None:
        self._endpoint = endpoint
        self._on_connected = on_connected
        self._client: aiomqtt.Client | None = None
        self._ready = asyncio.Event()
        self._waiting: dict[str, asyncio.Future[Answer]] = {}
        self._turn = asyncio.Lock()

    def worker(self) -> Worker:
        """Return the worker that keeps the connection; it goes last, for requests that are still being answered."""
        return Worker("broker_link", self._run, stops_last=True)

    async def check(self) -> None:
        """Raise UnavailableError unless the broker answers: a check for `HealthRegistry`."""
        await self.send([{"command": "getDefaultACLAccess"}])

    async def send(self, commands: Sequence[Command]) -> list[Answer]:
        """Send commands and return their answers in the same order; an answer with `error` is a refusal.

        Raises UnavailableError when the broker is away or does not answer: commands may or may not have been done.
        """
        try:
            async with asyncio.timeout(CONNECT_WAIT_SECONDS):
                await self._ready.wait()
        except TimeoutError:
            raise _unavailable() from None
        return await self._exchange(commands)

    async def _exchange(self, commands: Sequence[Command]) -> list[Answer]:
        answers: list[Answer] = []
        for start in range(0, len(commands), BATCH_COMMANDS):
            async with self._turn:
                answers += await self._exchange_batch(commands[start : start + BATCH_COMMANDS])
        return answers

    async def _exchange_batch(self, commands: Sequence[Command]) -> list[Answer]:
        client = self._client
        if client is None:
            raise _unavailable()
        loop = asyncio.get_running_loop()
        batch = {uuid.uuid4().hex: command for command in commands}
        futures: dict[str, asyncio.Future[Answer]] = {mark: loop.create_future() for mark in batch}
        self._waiting.update(futures)
        marked = [{**command, "correlationData": mark} for mark, command in batch.items()]
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await client.publish(REQUEST_TOPIC, json.dumps({"commands": marked}), qos=1)
                return list(await asyncio.gather(*futures.values()))
        except (TimeoutError, aiomqtt.MqttError) as error:
            raise _unavailable() from error
        finally:
            for mark, future in futures.items():
                self._waiting.pop(mark, None)
                future.cancel()

    async def _run(self, stop: asyncio.Event) -> None:
        backoff = Backoff(0.2, 5.0)
        is_down = False
        while not stop.is_set():
            try:
                await self._serve_connection(stop, backoff)
            except (aiomqtt.MqttError, UnavailableError, OSError) as error:
                if not is_down:
                    _log.warning(
                        "broker_link_down", host=self._endpoint.host, port=self._endpoint.port, reason=str(error)
                    )
                is_down = True
            else:
                is_down = False
            await _pause(stop, backoff.next_delay())

    async def _serve_connection(self, stop: asyncio.Event, backoff: Backoff) -> None:
        async with self._new_client() as client:
            await client.subscribe(RESPONSE_TOPIC, qos=1)
            self._client = client
            reading = asyncio.create_task(self._read(client), name="broker_answers")
            stopping = asyncio.create_task(stop.wait(), name="broker_stop")
            try:
                if self._on_connected is not None:
                    await self._on_connected(self)
                self._ready.set()
                _log.info("broker_link_up", host=self._endpoint.host, port=self._endpoint.port)
                backoff.reset()
                await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if reading.done():
                    reading.result()
            finally:
                self._ready.clear()
                self._client = None
                for future in self._waiting.values():
                    if not future.done():
                        future.set_exception(_unavailable())
                stopping.cancel()
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    async def send_while_connecting(self, commands: Sequence[Command]) -> list[Answer]:
        """Send as `send` does, from within `on_connected`, before anybody else may."""
        return await self._exchange(commands)

    def _new_client(self) -> aiomqtt.Client:
        endpoint = self._endpoint
        tls = None if endpoint.ca_file is None else aiomqtt.TLSParameters(ca_certs=str(endpoint.ca_file))
        return aiomqtt.Client(
            endpoint.host,
            endpoint.port,
            username=endpoint.username,
            password=endpoint.password,
            identifier=f"svc-identity-{secrets.token_hex(6)}",
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=True,
            keepalive=_KEEPALIVE_SECONDS,
            timeout=ANSWER_SECONDS,
            max_queued_incoming_messages=_INBOX,
            tls_params=tls,
        )

    async def _read(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            for answer in _answers(message.payload):
                future = self._waiting.get(str(answer.get("correlationData")))
                if future is not None and not future.done():
                    future.set_result(answer)


def _answers(payload: object) -> list[Answer]:
    """Read a response message; whatever is not one is nobody's answer."""
    if not isinstance(payload, bytes | str):
        return []
    try:
        responses = json.loads(payload).get("responses", [])
    except (ValueError, AttributeError):
        _log.warning("broker_answer_unreadable", size=len(payload))
        return []
    return [entry for entry in responses if isinstance(entry, dict)]


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


def _unavailable() -> UnavailableError:
    message = "the broker's accounts cannot be changed at this moment"
    return UnavailableError(message, code="broker_unavailable", retry_after=2.0)
