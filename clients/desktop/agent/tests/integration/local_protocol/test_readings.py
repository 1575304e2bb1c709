"""Values as they come, the past without a network, quarantine and losses, and the log, over the real socket."""

from __future__ import annotations

import json

from pulse_agent.outbox.rows import Rejection
from pulse_contracts.local_protocol import EventName

from .running import Running, reading, signed_in


async def test_values_come_as_they_are_stored_and_the_past_can_be_read_without_a_network(running: Running) -> None:
    await running.agent.put_many([reading(n) for n in range(100, 200)])
    async with running.window() as window:
        await signed_in(window)
        await running.agent.put(reading(999, note="now"))
        await window.until(lambda: window.told(EventName.READING), "the reading")
        assert window.told(EventName.READING)[-1].values["note"].value == "now"
        assert (await window.call("latest")).values["n"].value == 999
        recent = await window.call("recent", metric="n")
        values = [value for _, value in recent.samples]  # of 15 minutes: some may have grown too old meanwhile
        assert values == [*range(200 - len(values) + 1, 200), 999]
        assert 1 < len(values) <= 100
        await window.until(lambda: window.told(EventName.PROGRESS), "the count")
        assert (await window.call("status")).backlog.readings == 101
        assert (await window.call("status")).backlog.oldest_ms is not None
        async with running.window() as bob:
            await signed_in(bob, "bob")
            assert (await bob.error("latest")).code == "permission_missing"


async def test_what_was_set_aside_and_lost_is_listed_by_page_and_cleared(running: Running) -> None:
    await running.agent.put_many([reading(n) for n in range(6)])
    running.agent.outbox.reject([Rejection(n, "bad_value", "no") for n in (1, 2, 3)])
    async with running.window() as window:
        await signed_in(window)
        while (await window.call("status")).quarantined < 3:
            await running.agent.put(reading(7))
        first = await window.call("quarantine.list", limit=2)
        assert ([row.sequence for row in first.rows], first.total, first.next) == ([1, 2], 3, first.rows[1].number)
        rest = await window.call("quarantine.list", after=first.next)
        assert ([row.sequence for row in rest.rows], rest.next) == ([3], None)
        assert json.loads(rest.rows[0].metrics)["n"] == 2
        assert (await window.call("quarantine.clear", up_to=first.next)).count == 2
        assert (await window.call("quarantine.list")).total == 1
        assert (await window.call("losses.list")).total == 0


async def test_the_log_is_followed_and_holds_no_secret(running: Running) -> None:
    async with running.window() as window:
        await signed_in(window)
        tail = await window.call("logs.tail", follow=True)
        assert all("correct horse" not in str(record) for record in tail.records)
        await window.call("agent.restart")
        assert running.restarts == [True]
        await window.call("logs.tail", follow=False, limit=1)
