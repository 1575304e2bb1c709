"""Agents whose server does not answer: everything stays on their disk, and the run says so."""

from __future__ import annotations

import secrets
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pulse_chassis.mqtt import MqttEndpoint
from pulse_simulator.fleet import Fleet
from pulse_simulator.oracle import OracleRecord
from pulse_simulator.plan import FleetPlan

if TYPE_CHECKING:
    from pulse_local.testing import TestBroker


async def test_what_no_server_took_is_outstanding_now_and_in_the_next_run(
    mosquitto_broker: TestBroker, tmp_path: Path
) -> None:
    plan = FleetPlan(
        devices=0,
        agents=2,
        rate_hz=20.0,
        duration=timedelta(seconds=1),
        drain_timeout=timedelta(seconds=0.5),
        connect_timeout=timedelta(seconds=0.5),
        prefix="alone",
        data=tmp_path,
        oracle=tmp_path / "oracle.log",
    )
    keys = {agent_id: secrets.token_hex(16) for agent_id in plan.agent_ids}
    for agent_id, key in keys.items():
        mosquitto_broker.add_device(agent_id, key)
    endpoint = MqttEndpoint(mosquitto_broker.host, mosquitto_broker.port)

    first = await Fleet(plan, endpoint, keys).run()
    assert first.agents.generated > 20
    assert first.agents.outstanding == first.agents.generated
    assert (first.agents.acked, first.drain_seconds, first.is_drained) == (0, None, False)
    record = OracleRecord.read([tmp_path / "oracle.log"])
    assert len(record.accepted) == first.agents.generated
    assert {seq for (client, _), seq in record.accepted.items() if client == plan.agent_ids[0]} == set(
        range(1, sum(client == plan.agent_ids[0] for client, _ in record.accepted) + 1)
    )

    second = await Fleet(plan, endpoint, keys).run()
    assert second.agents.outstanding == first.agents.generated + second.agents.generated
