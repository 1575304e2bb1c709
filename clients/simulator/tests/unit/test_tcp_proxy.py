"""The proxy changes no byte of a whole link, and really cuts one."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import pytest

from pulse_simulator.tcp_proxy import Direction, TcpProxy

DEADLINE = 10.0
SILENCE = 0.15
"""How long nothing must come for us to believe that nothing passes."""


class Peer:
    """A TCP server that echoes, and remembers what it got and how each connection ended."""

    def __init__(self) -> None:
        self.port = 0
        self.received = bytearray()
        self.accepted = 0
        self.ends: asyncio.Queue[str] = asyncio.Queue()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        try:
            while chunk := await reader.read(65536):
                self.received += chunk
                writer.write(chunk)
                await writer.drain()
            self.ends.put_nowait("eof")
            writer.write(b"goodbye")
            writer.close()
        except OSError:
            self.ends.put_nowait("reset")
            writer.transport.abort()


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    peer = Peer()
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    yield peer
    server.close()


@pytest.fixture
async def proxy(peer: Peer) -> AsyncIterator[TcpProxy]:
    async with TcpProxy("127.0.0.1", peer.port) as proxy:
        yield proxy


async def dial(proxy: TcpProxy) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(proxy.host, proxy.port)


async def until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0.005)


async def test_megabytes_pass_unchanged_both_ways_and_so_does_the_end(proxy: TcpProxy, peer: Peer) -> None:
    reader, writer = await dial(proxy)
    data = random.Random(1).randbytes(3_000_000)

    async def send() -> None:
        for start in range(0, len(data), 77_777):
            writer.write(data[start : start + 77_777])
            await writer.drain()
        writer.write_eof()

    async with asyncio.timeout(DEADLINE):
        _, echoed = await asyncio.gather(send(), reader.read(-1))
    assert echoed == data + b"goodbye"
    assert bytes(peer.received) == data
    assert proxy.bytes_passed == {Direction.UP: len(data), Direction.DOWN: len(data) + 7}
    await until(lambda: proxy.connections == 0)
    writer.close()


async def test_a_cut_stops_both_ways_silently_and_restoring_loses_nothing(proxy: TcpProxy, peer: Peer) -> None:
    reader, writer = await dial(proxy)
    writer.write(b"before")
    assert await reader.readexactly(6) == b"before"
    proxy.cut()
    writer.write(b"during")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), SILENCE)
    assert bytes(peer.received) == b"before"
    assert not writer.is_closing()
    proxy.restore()
    async with asyncio.timeout(DEADLINE):
        assert await reader.readexactly(6) == b"during"
    writer.close()


async def test_a_one_way_cut_lets_the_other_way_pass(proxy: TcpProxy, peer: Peer) -> None:
    reader, writer = await dial(proxy)
    writer.write(b"a")
    assert await reader.readexactly(1) == b"a"
    proxy.cut(Direction.DOWN)
    writer.write(b"b")
    await until(lambda: bytes(peer.received) == b"ab")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), SILENCE)
    proxy.restore()
    async with asyncio.timeout(DEADLINE):
        assert await reader.readexactly(1) == b"b"
    writer.close()


async def test_a_connection_given_up_during_a_cut_never_reaches_the_server(proxy: TcpProxy, peer: Peer) -> None:
    proxy.cut()
    _, given_up = await dial(proxy)
    given_up.write(b"stale CONNECT")
    await given_up.drain()
    given_up.close()
    reader, patient = await dial(proxy)
    patient.write(b"hello")
    await until(lambda: proxy.accepted == 2)
    await asyncio.sleep(SILENCE)
    proxy.restore()
    async with asyncio.timeout(DEADLINE):
        assert await reader.readexactly(5) == b"hello"
    assert bytes(peer.received) == b"hello"
    assert peer.accepted == 1
    patient.close()


async def test_a_reset_is_a_reset_on_both_ends(proxy: TcpProxy, peer: Peer) -> None:
    reader, writer = await dial(proxy)
    writer.write(b"x")
    assert await reader.readexactly(1) == b"x"
    proxy.reset()
    async with asyncio.timeout(DEADLINE):
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        assert await peer.ends.get() == "reset"
    await until(lambda: proxy.connections == 0)
    again, second = await dial(proxy)
    second.write(b"y")
    assert await again.readexactly(1) == b"y"
    second.close()


async def test_refusing_refuses_and_accepting_takes_the_same_port(proxy: TcpProxy) -> None:
    port = proxy.port
    await proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        await dial(proxy)
    await proxy.accept()
    assert proxy.port == port
    reader, writer = await dial(proxy)
    writer.write(b"z")
    assert await reader.readexactly(1) == b"z"
    writer.close()


async def test_a_link_is_cut_in_the_middle_of_a_frame(proxy: TcpProxy, peer: Peer) -> None:
    reader, writer = await dial(proxy)
    proxy.reset_after(4)
    writer.write(b"a whole frame")
    async with asyncio.timeout(DEADLINE):
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(13)
    assert b"a whole frame".startswith(bytes(peer.received))
    assert len(peer.received) <= 4
    assert proxy.bytes_passed[Direction.UP] == 4
    again, second = await dial(proxy)
    second.write(b"whole again")
    assert await again.readexactly(11) == b"whole again"
    second.close()


async def test_the_way_up_is_held_in_the_middle_of_a_frame_and_loses_nothing(proxy: TcpProxy, peer: Peer) -> None:
    reader, writer = await dial(proxy)
    proxy.cut_after(7)
    writer.write(b"a whole frame")
    async with asyncio.timeout(DEADLINE):
        assert await reader.readexactly(7) == b"a whole"
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), SILENCE)
    assert (bytes(peer.received), proxy.bytes_passed[Direction.UP]) == (b"a whole", 7)
    proxy.restore()
    async with asyncio.timeout(DEADLINE):
        assert await reader.readexactly(6) == b" frame"
    writer.close()


async def test_a_dead_server_is_heard_by_the_client() -> None:
    async with TcpProxy("127.0.0.1", 1) as proxy:
        reader, _ = await dial(proxy)
        async with asyncio.timeout(DEADLINE):
            with pytest.raises(ConnectionResetError):
                await reader.read(1)


async def test_memory_stays_bounded_while_cut(proxy: TcpProxy) -> None:
    _, writer = await dial(proxy)
    await until(lambda: proxy.connections == 1)
    proxy.cut()
    written = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1.0):
            while True:
                writer.write(bytes(1_000_000))
                written += 1_000_000
                await writer.drain()
    # What the proxy does not read waits in the kernel's sockets, which hold a few megabytes at most.
    assert written < 32_000_000
    writer.transport.abort()
