"""The ack probe believes the table at the moment of an ack, and nothing while a fault hides what is in it."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from pulse_chaos.ack_probe import AckProbe
from pulse_contracts.acks import Ack, Credit
from pulse_simulator.embedded_stack import EmbeddedStack

EPOCH = 7


class Table:
    """Answers with what is stored; `meanwhile` happens while it is asked."""

    def __init__(self, stored: set[int], meanwhile: Callable[[], None] = lambda: None) -> None:
        self.stored = stored
        self.meanwhile = meanwhile

    async def fetch(self, _sql: str, _client: str, _epoch: int, wanted: list[int]) -> list[tuple[int]]:
        """Give the sequences of those that are wanted."""
        found = [(number,) for number in wanted if number in self.stored]
        self.meanwhile()
        return found

    def terminate(self) -> None:
        """Close the connection."""


def ack(cum: int) -> Ack:
    return Ack(epoch=EPOCH, cum=cum, credit=Credit(rows_s=100, window=10), server_time=0)


@pytest.fixture
def probe(tmp_path: Path) -> AckProbe:
    probe = AckProbe(EmbeddedStack({}, tmp_path), "probe", "key")
    probe._epoch, probe._open = EPOCH, {1, 2, 3}
    return probe


async def test_an_ack_of_what_is_not_in_the_table_is_named(probe: AckProbe) -> None:
    await probe._check(Table({1}), ack(2))
    assert (probe.seen, probe.uncommitted) == (2, ["probe 2"])


async def test_nothing_is_compared_while_a_fault_hides_rows_nor_when_it_begins_to_meanwhile(probe: AckProbe) -> None:
    """The partitions of readings were set aside between an ack and the look: what was committed seemed to be missing."""

    def hide() -> None:
        probe.is_blind = True

    await probe._check(Table(set(), hide), ack(1))
    await probe._check(Table(set()), ack(2))
    probe.is_blind = False
    await probe._check(Table({3}), ack(3))
    assert (probe.seen, probe.uncommitted) == (1, [])


async def test_a_server_that_is_killed_ends_a_connection_and_not_the_probe(
    probe: AckProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs of `kill-postgres` came to no verdict; this is what asyncpg says in that moment, and nobody expected."""

    def die() -> None:
        raise asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")

    tables = iter([Table({1}, die), Table({1, 2})])

    async def connect(_url: str) -> Table:
        return next(tables)

    monkeypatch.setattr(asyncpg, "connect", connect)
    monkeypatch.setattr(EmbeddedStack, "database_url", "")
    checking = asyncio.create_task(probe._check_forever())
    for number in (1, 2):
        probe._acks.put_nowait(ack(number))
    async with asyncio.timeout(30):
        while not probe.seen:
            await asyncio.wait([checking], timeout=0.01)
            assert not checking.done()
    checking.cancel()
    assert (probe.seen, probe.uncommitted) == (1, [])
