"""A user sees nothing of another's device: no frame, no row, no count; by socket, by REST, or by guessing ids."""

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import httpx
import pytest

from pulse_chassis.mqtt import MqttEndpoint, MqttSession
from pulse_contracts.frames import Filter
from pulse_contracts.ids import ClientId
from pulse_contracts.topics import telemetry_live

PASSWORD = "a long enough passphrase"


@pytest.fixture
async def neighbours(stack) -> Any:
    """Two operators, each with a device of their own; the first one's device sends twenty readings a second."""
    mark = uuid4().hex[:8]
    async with AsyncExitStack() as opened:
        admin = await opened.enter_async_context(stack.admin())
        people, devices, keys = [], [], {}
        for name in ("first", "second"):
            username = f"{name}-{mark}"
            created = await admin.post(
                "/api/users", json={"username": username, "password": PASSWORD, "roles": ["operator"]}
            )
            assert created.status_code == 201, created.text
            http = await opened.enter_async_context(stack.signed_in(username, PASSWORD))
            device = f"{name}-device-{mark}"
            keys |= await stack.register(http, device)
            people.append((username, http))
            devices.append(device)
        secret = devices[0]
        session = await MqttSession.connect(
            MqttEndpoint(*stack.mqtt, secret, keys[secret]), client_id=secret, on_message=lambda _: None
        )

        async def send() -> None:
            body = {"client_id": secret, "metric_name": "secret_temperature", "value_numeric": 4242.5}
            while True:
                session.publish_nowait(telemetry_live(ClientId(secret)), json.dumps(body).encode())
                await asyncio.sleep(0.05)

        sending = asyncio.create_task(send())
        yield people, devices
        sending.cancel()
        await session.disconnect()


async def collect(client, seconds: float) -> list[Any]:
    """Take every frame of the next `seconds`; at least one must come, or the test would prove nothing."""
    frames: list[Any] = []
    try:
        async with asyncio.timeout(seconds):
            async for frame in client:
                frames.append(frame)
    except TimeoutError:
        pass
    assert frames
    return frames


async def subscribe_to_everything(client, *guesses: str) -> None:
    guess = Filter(device_ids=list(guesses)) if guesses else None
    await client.subscribe("telemetry.latest", name="latest", filter=guess, interval_ms=0)
    await client.subscribe("telemetry.raw", name="raw", filter=guess, interval_ms=0)
    await client.subscribe("devices", name="devices", filter=guess, interval_ms=0)
    await client.subscribe("system", name="system", interval_ms=0)


def text_of(frames: list[Any]) -> str:
    return "\n".join(frame.model_dump_json() for frame in frames)


async def test_the_owner_sees_what_the_stranger_does_not(stack, neighbours) -> None:
    people, devices = neighbours
    async with (
        stack.socket(people[0][0], PASSWORD) as owner,
        stack.socket(people[1][0], PASSWORD) as stranger,
        stack.socket(people[1][0], PASSWORD) as guesser,
    ):
        await subscribe_to_everything(owner)
        await subscribe_to_everything(stranger)
        await subscribe_to_everything(guesser, devices[0])

        seen, unseen, guessed = await asyncio.gather(collect(owner, 4), collect(stranger, 4), collect(guesser, 4))

    assert devices[0] in text_of(seen)
    assert "4242.5" in text_of(seen)
    for frames in (unseen, guessed):
        assert devices[0] not in text_of(frames)
        assert "4242.5" not in text_of(frames)
    assert devices[1] in text_of(unseen)


async def test_counts_do_not_tell_of_a_strangers_device(neighbours) -> None:
    people, _ = neighbours
    summaries = []
    for _, http in people:
        answer = await http.get("/api/dashboard/summary")
        assert answer.status_code == 200, answer.text
        summaries.append(answer.json())

    assert [s["devices"] for s in summaries] == [1, 1]


@pytest.mark.parametrize(
    "path",
    ["/api/telemetry/latest?device_ids={}", "/api/telemetry/history?device_id={}&metric=secret_temperature"],
)
async def test_guessing_an_id_over_rest_is_the_same_as_naming_one_that_is_not_there(neighbours, path: str) -> None:
    people, devices = neighbours
    (_, owner), (_, stranger) = people
    nobody = f"nobody-{uuid4().hex[:8]}"

    async def owners_rows() -> bool:
        return "4242.5" in (await owner.get(path.format(devices[0]))).text

    async with asyncio.timeout(10):
        while not await owners_rows():
            await asyncio.sleep(0.05)
    guessed = await stranger.get(path.format(devices[0]))
    absent = await stranger.get(path.format(nobody))

    assert guessed.status_code == absent.status_code
    assert "4242.5" not in guessed.text
    assert comparable(guessed, devices[0]) == comparable(absent, nobody)


def comparable(answer: httpx.Response, device_id: str) -> Any:
    """What an answer says, without the id that was asked for, its request id and its live position."""
    body = json.loads(answer.text.replace(device_id, "ID"))
    return {k: v for k, v in body.items() if k not in {"instance", "live"}}


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_a_strangers_device_cannot_be_told_from_an_absent_one(neighbours, method: str) -> None:
    people, devices = neighbours
    _, stranger = people[1]
    nobody = f"nobody-{uuid4().hex[:8]}"
    body = {"name": "mine now"} if method == "PATCH" else None

    any_version = {"If-Match": "*"}
    guessed = await stranger.request(method, f"/api/devices/{devices[0]}", json=body, headers=any_version)
    absent = await stranger.request(method, f"/api/devices/{nobody}", json=body, headers=any_version)

    assert guessed.status_code == absent.status_code == 404
    assert comparable(guessed, devices[0]) == comparable(absent, nobody)


async def test_a_list_holds_only_ones_own(neighbours) -> None:
    people, devices = neighbours
    for number, (_, http) in enumerate(people):
        answer = await http.get("/api/devices")
        assert [d["id"] for d in answer.json()["items"]] == [devices[number]]
