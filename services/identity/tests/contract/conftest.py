"""One suite over each adapter and its fake: here both kinds of broker accounts are made."""

from __future__ import annotations

import asyncio

import pytest

from pulse_chassis.mqtt import MqttEndpoint
from pulse_identity.messaging.in_memory_accounts import InMemoryAccounts
from pulse_identity.messaging.mosquitto_accounts import MosquittoAccounts


@pytest.fixture(params=["in memory", "mosquitto"])
async def accounts(request):
    if request.param == "in memory":
        yield InMemoryAccounts(foreign={"svc-ingest"})
        return
    broker = request.getfixturevalue("mosquitto_broker")
    adapter = MosquittoAccounts(MqttEndpoint(broker.host, broker.port, *broker.admin))
    stop = asyncio.Event()
    task = asyncio.create_task(adapter.worker().run(stop))
    try:
        # Accounts of earlier tests would be seen by `all`.
        await adapter.delete([account.device_id for account in await adapter.all()])
        yield adapter
    finally:
        stop.set()
        await task
