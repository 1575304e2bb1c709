"""The load generators count what they really sent: against a bare broker, small and bounded."""

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pulse_bench import native
from pulse_bench.command import app
from pulse_bench.errors import BenchError
from pulse_bench.load import LoadPair, find_load_pair
from pulse_bench.native import Account, NativePair, Shape, find_native_pair
from pulse_bench.raw_limit import bare_broker, measure_raw_limit
from pulse_bench.tools import find_tools
from pulse_contracts.telemetry import BufferRun
from pulse_contracts.topics import TELEMETRY_BUFFER_FILTER
from pulse_simulator import embedded_stack


@pytest.fixture(params=["native", "tools"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> LoadPair:
    """Each generator; where nothing can be compiled, `find_load_pair` must say why and take the tools."""
    if request.param == "tools":
        return find_tools()
    try:
        return find_native_pair(tmp_path)
    except BenchError as error:
        reason = str(error)
    found, made_by = find_load_pair(tmp_path)
    assert reason in made_by
    return found


async def test_every_message_is_published_once_and_received(pair: LoadPair) -> None:
    async with bare_broker() as broker:
        subscriber = await pair.subscribe(
            "127.0.0.1",
            broker.port,
            account=Account("s", "-", 0, 0),
            topic_filter=TELEMETRY_BUFFER_FILTER,
            messages=150,
        )
        await broker.until_subscribed("s")
        published = await pair.publish(
            "127.0.0.1", broker.port, [Account(f"c{n}", "-", 1, 1) for n in range(3)], messages=50
        )
        seen = await pair.received(subscriber)

    assert (published.sent, published.acked, published.refused) == (150, 150, 0)
    assert seen.received == 150


async def test_many_clients_publish_from_several_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair, made_by = find_load_pair(tmp_path)
    if not isinstance(pair, NativePair):
        assert "install" in made_by
        return
    monkeypatch.setattr(native, "CLIENTS_OF_A_PROCESS", 2)
    accounts = [Account(f"c{n}", "-", 1, 1) for n in range(5)]
    async with bare_broker() as broker:
        published = await pair.publish("127.0.0.1", broker.port, accounts, messages=10, shape=Shape(rate=500))
        port = broker.port

    assert (published.sent, published.acked) == (50, 50)
    with pytest.raises(BenchError, match=r"after 0 of [12] clients: c\d cannot connect"):
        await pair.publish("127.0.0.1", port, accounts, messages=1)


async def test_a_broker_that_does_not_answer_is_named_with_how_many_are_connected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair, _ = find_load_pair(tmp_path)
    if not isinstance(pair, NativePair):
        return
    monkeypatch.setattr(native, "CONNECT_SECONDS", 0.5)
    silent = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        await silent.wait()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(BenchError, match=r"0 of 2 publishers were connected within 1 s"):
            await pair.publish("127.0.0.1", port, [Account(f"c{n}", "-", 1, 1) for n in range(2)], messages=1)
        silent.set()


async def test_the_raw_limit_is_a_rate(pair: LoadPair) -> None:
    assert await measure_raw_limit(pair, clients=2, messages=100) > 100


async def test_what_is_published_is_a_run_of_the_contract(pair: LoadPair) -> None:
    async with bare_broker() as broker:
        listener = await asyncio.create_subprocess_exec(
            find_tools().subscriber, "-h", "127.0.0.1", "-p", str(broker.port),
            "-i", "listener", "-t", "#", "-C", "2", "-W", "20",
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        await broker.until_subscribed("listener")
        await pair.publish("127.0.0.1", broker.port, [Account("c", "-", 3, 1041)], messages=2)
        out, _ = await listener.communicate()

    runs = [BufferRun.model_validate_json(line) for line in out.splitlines()]
    assert [(run.epoch, run.first, len(run.rows[0][1])) for run in runs] == [(3, 1041, 3), (3, 1042, 3)]


def test_a_benchmark_that_cannot_run_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(embedded_stack.sys, "executable", "/bin/false")

    result = CliRunner().invoke(app, ["agent", "--seconds", "5", "--json", str(tmp_path / "report.json")])

    assert result.exit_code == 1
    assert "pulse up --detach" in result.output
    assert "exited with 1" in result.output
    assert not (tmp_path / "report.json").exists()
