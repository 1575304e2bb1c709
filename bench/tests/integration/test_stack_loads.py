"""Each load that needs a stack, as small as it can be: what it counts is right, whatever the machine does meanwhile."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulse_bench.backlog_load import measure_backlog
from pulse_bench.drain_load import ROWS, measure_drain
from pulse_bench.errors import BenchError
from pulse_bench.fanout_load import ENVIRONMENT, measure_fanout, measure_memory
from pulse_bench.growth_load import grow_fleet, measure_cost, next_accounts
from pulse_bench.load import find_load_pair
from pulse_bench.native import NativePair
from pulse_bench.outbox_load import measure_outbox
from pulse_bench.peers_load import measure_peers
from pulse_bench.scale_load import measure_scale
from pulse_bench.stack import Stack
from pulse_bench.storm_load import measure_storms
from pulse_simulator.embedded_stack import run_pulse


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack for all of them."""
    data = tmp_path_factory.mktemp("bench") / "stack"
    asyncio.run(run_pulse("up", "--detach", "--data", str(data), **ENVIRONMENT))
    try:
        yield Stack(json.loads((data / "stack.json").read_text(encoding="utf-8")), data)
    finally:
        asyncio.run(run_pulse("down", "--data", str(data)))


@pytest.fixture
def native(tmp_path: Path) -> NativePair | None:
    """The compiled pair; None where it cannot be had, and then the reason must say what to install."""
    found, made_by = find_load_pair(tmp_path)
    if isinstance(found, NativePair):
        return found
    assert "install" in made_by
    return None


async def test_drained_outboxes_are_all_in_the_table(stack: Stack, native: NativePair | None) -> None:
    if native is None:
        return
    figure = await measure_drain(stack, native, agents=3, messages=2, queued=200, run=0)

    assert figure.readings == 3 * 2 * ROWS
    assert figure.readings_per_s > 0
    assert figure.queue_per_s > 0


async def test_two_ingest_processes_share_a_load_and_nothing_of_it_is_missing_or_stored_twice(
    stack: Stack, native: NativePair | None
) -> None:
    if native is None:
        return
    figure = await measure_scale(stack, native, clients=8, messages=200, run=90)

    assert min(figure.one_per_s, figure.two_per_s, figure.one_cpu_us, figure.two_cpu_us) > 0


async def test_a_backlog_drains_while_live_readings_are_shown(stack: Stack) -> None:
    said: list[str] = []

    figure = await measure_backlog(stack, readings=3000, alone_seconds=4, say=said.append)

    assert figure.drained_per_s > 0
    assert figure.live_alone.readings >= 2
    assert said[0].startswith("outbox filled with 3,000 readings")


async def test_every_dashboard_gets_every_frame_and_the_bare_loop_does_the_same(stack: Stack) -> None:
    (pair,) = await measure_fanout(stack, sockets=10, seconds=3, runs=1)

    assert pair.gateway.missing == pair.bare.missing == 0
    assert 2000 < pair.gateway.frame_bytes < 2300
    assert pair.gateway.cpu_us_per_frame > 0


async def test_memory_is_read_with_the_sockets_open(stack: Stack) -> None:
    figure = await measure_memory(stack, sockets=20)

    assert figure.full_mib > 0


async def test_after_a_storm_everybody_is_back_and_has_every_event(stack: Stack) -> None:
    cut, killed = await measure_storms(stack, sockets=8, runs=1)

    assert (cut.kind, killed.kind) == ("cut", "killed")
    assert cut.lost == killed.lost == 0
    assert cut.unrecovered == killed.unrecovered == 0
    assert killed.resumed_s > killed.served_s > 0


async def test_the_cost_of_a_reading_counts_ingest_and_the_database(stack: Stack, native: NativePair | None) -> None:
    if native is None:
        return
    said: list[str] = []
    accounts = await grow_fleet(stack, native, [], devices=5, say=said.append)

    first = await measure_cost(stack, native, accounts, seconds=1)
    grown = await grow_fleet(stack, native, next_accounts(accounts, first), devices=8, say=said.append)
    second = await measure_cost(stack, native, grown[:5], seconds=1)

    assert [account.client_id for account in grown] == [f"grow-{n:05d}" for n in range(8)]
    assert said[-1].endswith("8 devices have sent a reading")
    with pytest.raises(BenchError, match=r"0 of 3 devices were registered, then: .*grow-00000 is taken"):
        await grow_fleet(stack, native, [], devices=3, say=said.append)

    assert first.readings == second.readings == 5000
    assert min(first.ingest_us, first.database_us, second.total_us) > 0


async def test_the_naive_consumer_stores_what_was_published(stack: Stack, tmp_path: Path) -> None:
    pair, _ = find_load_pair(tmp_path)
    said: list[str] = []

    naive, *node_red = await measure_peers(stack, pair, messages=2, runs=1, say=said.append, with_node_red=False)

    assert naive.runs[0]["per_s"] > 0
    assert [peer.why_not for peer in node_red] == ["it was not asked for"] * 2
    assert any("Node-RED, single insert: not measured" in line for line in said)


async def test_an_outbox_is_filled_each_way() -> None:
    (figure,) = await measure_outbox(seconds=0.3, runs=1)

    assert min(figure.grouped_per_s, figure.single_per_s, figure.bare_per_s) > 0
