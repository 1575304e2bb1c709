"""Several desktops and a server under partitions, losses, duplicates, crashes and clock steps: in the end they agree.

The machine runs the real replica against the real use cases of sync, over its in-memory adapters. Whatever happens on
the way, a desktop never holds a row that was never in its scope, and never rows of a pull that has not ended; in the
end every dump equals the owners' data within the scope, and every edit that lost is logged once, on both sides.
"""

from __future__ import annotations

import importlib
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from pulse_agent.replica.replica import Replica
from pulse_agent.replica.staging import Staging
from pulse_contracts import reconciliation
from pulse_contracts.reconciliation import Change
from pulse_sync.domain import page as page_of_sync

from .model_site import DESKTOPS, PERMISSIONS, ROLES, USERS, Site

desktops = st.integers(0, len(DESKTOPS) - 1)
users, roles = st.sampled_from(USERS), st.sampled_from(ROLES)
user_masks = st.one_of(
    st.builds(lambda n: {"email": f"e{n}@example.org"}, st.integers(0, 99)),
    st.booleans().map(lambda value: {"is_active": value}),
    roles.map(lambda role: {"roles_removed": [role]}),
    roles.map(lambda role: {"roles_added": [role]}),
)
role_masks = st.one_of(
    st.integers(0, 99).map(lambda n: {"description": f"d{n}"}),
    st.sampled_from(PERMISSIONS).map(lambda name: {"permissions_removed": [name]}),
    st.sampled_from(PERMISSIONS).map(lambda name: {"permissions_added": [name]}),
)
edits = st.one_of(
    st.tuples(users.map(lambda row_id: ("users", row_id)), user_masks),
    st.tuples(users.map(lambda row_id: ("users", row_id)), user_masks),
    st.tuples(roles.map(lambda row_id: ("roles", row_id)), role_masks),
    st.tuples(users.map(lambda row_id: ("users", row_id)), st.just({"deleted": True})),
)


class Convergence(RuleBasedStateMachine):
    """What can happen."""

    replica_class: type[Replica] = Replica

    @initialize()
    def begin(self) -> None:
        # Two or three rows a page, so that pulls have middles in which something can happen.
        self.small_pages = patch.object(page_of_sync, "MAX_PAGE_BYTES", 1_200)
        self.small_pages.start()
        self.site = Site(self.replica_class)
        self.site.begin()
        for machine in self.site.machines:
            machine.connect()
            self.site.exchange(machine)

    @rule(edit=edits)
    def edit_on_the_web(self, edit: Any) -> None:
        self.site.identity.edit(*edit)

    @rule(index=desktops, edit=edits)
    def edit_on_a_desktop(self, index: int, edit: Any) -> None:
        self.site.edit_on(self.site.machines[index], *edit)

    @rule(index=desktops, edit=edits)
    def edit_and_send(self, index: int, edit: Any) -> None:
        machine = self.site.machines[index]
        self.site.exchange(machine)
        self.site.edit_on(machine, *edit)
        self.site.exchange(machine)

    @rule(index=desktops, edit=edits, other=edits)
    def edit_on_both_sides(self, index: int, edit: Any, other: Any) -> None:
        self.site.edit_on(self.site.machines[index], *edit)
        self.site.clock.advance(1.0)
        self.site.identity.edit(edit[0], other[1] if other[0][0] == edit[0][0] else edit[1])

    @rule(user=users, index=desktops)
    def share_or_withdraw(self, user: str, index: int) -> None:
        if ("users", user) in self.site.owned.rows:
            self.site.owned.access ^= {(user, DESKTOPS[index])}

    @rule(target_desktop=st.sampled_from(["all/", *(f"device/{d}" for d in DESKTOPS)]), value=st.integers(0, 9))
    def write_config(self, target_desktop: str, value: int) -> None:
        self.site.put_config(f"{target_desktop}/custom.n", value)

    @rule()
    def hear_of_changes(self) -> None:
        self.site.absorb_events()

    @rule()
    def lose_what_changed(self) -> None:
        self.site.identity.events.clear()

    @rule()
    def compare_everything(self) -> None:
        self.site.compare()

    @rule(index=desktops, steps=st.integers(1, 12))
    def exchange_some(self, index: int, steps: int) -> None:
        machine = self.site.machines[index]
        for _ in range(steps):
            if machine.up:
                self.site.carry_up(machine)
            elif machine.down:
                self.site.carry_down(machine)

    @rule(index=desktops)
    def exchange_all(self, index: int) -> None:
        self.site.exchange(self.site.machines[index])

    @rule(index=desktops, pick=st.integers(0, 9), is_up=st.booleans())
    def double_or_reorder(self, index: int, pick: int, is_up: bool) -> None:
        machine = self.site.machines[index]
        queue: list[Any] = machine.up if is_up else machine.down
        if queue:
            carry = self.site.carry_up if is_up else self.site.carry_down
            carry(machine, pick % len(queue), is_doubled=pick % 2 == 0)

    @rule(index=desktops, is_up=st.booleans())
    def lose(self, index: int, is_up: bool) -> None:
        machine = self.site.machines[index]
        queue: list[Any] = machine.up if is_up else machine.down
        if queue:
            queue.pop(0)

    @rule(index=desktops)
    def cut_or_mend(self, index: int) -> None:
        machine = self.site.machines[index]
        (machine.disconnect if machine.is_connected else machine.connect)()

    @rule(index=desktops)
    def crash_a_desktop(self, index: int) -> None:
        self.site.machines[index].crash()

    @precondition(lambda self: not self.site.crashes_before_answer)
    @rule()
    def crash_sync_between_commit_and_answer(self) -> None:
        self.site.crashes_before_answer = 1

    @rule()
    def lose_or_find_identity(self) -> None:
        self.site.identity.is_away = not self.site.identity.is_away

    @rule(index=desktops, seconds=st.sampled_from([-3600.0, -90.0, 90.0, 3600.0]))
    def step_a_desktops_clock(self, index: int, seconds: float) -> None:
        self.site.machines[index].clock.step_wall(seconds)

    @rule(seconds=st.sampled_from([-60.0, 60.0]))
    def step_the_servers_clock(self, seconds: float) -> None:
        self.site.clock.step_wall(seconds)

    @rule(seconds=st.sampled_from([1.0, 11.0, 70.0]))
    def pass_time(self, seconds: float) -> None:
        self.site.clock.advance(seconds)
        for machine in self.site.machines:
            machine.clock.advance(seconds)
            machine.speak()

    def teardown(self) -> None:
        try:
            self.site.settle()
            self.site.check()
        finally:
            self.site.close()
            self.small_pages.stop()


def thorough(examples: int, steps: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        # What fails is said as it is found: shrinking a site takes minutes.
        phases=(Phase.explicit, Phase.generate),
    )


def test_whatever_happens_everybody_agrees_in_the_end() -> None:
    run_state_machine_as_test(Convergence, settings=thorough(60, 50))


def without_revocations(base_version: int, stamp: Any, changes: Any, row: Any) -> Any:
    plain = [Change(change.key) for change in changes]
    return original_decide(base_version, stamp, plain, row)


original_decide = reconciliation.decide


def test_a_rule_in_which_revocations_do_not_win_is_found() -> None:
    with patch.object(reconciliation, "decide", without_revocations), pytest.raises(AssertionError, match="revocation"):
        run_state_machine_as_test(Convergence, settings=thorough(60, 40))


class HastyStaging(Staging):
    """Puts each page in force as it comes."""

    def stage(self, page: Any, walk: Any) -> None:
        super().stage(page, walk)
        with self._database.transaction() as connection:
            mode, walk.mode = walk.mode, "delta"
            self.swap(connection, walk)
            walk.mode = mode


def test_a_replica_without_staging_is_found() -> None:
    module = importlib.import_module("pulse_agent.replica.replica")
    with patch.object(module, "Staging", HastyStaging), pytest.raises(AssertionError, match="before the last page"):
        run_state_machine_as_test(Convergence, settings=thorough(60, 40))
