"""The outbox against a model: whatever is put, acked, refused, dropped, in whatever order, with a crash at any point."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pulse_agent.domain.quota import Overflow, Quota
from pulse_agent.domain.reading import Reading, StoredReading, encode_reading
from pulse_agent.outbox.database import open_rows
from pulse_agent.outbox.room import RoomKeeper
from pulse_agent.outbox.rows import OutboxRows, Rejection

NOW = 1_800_000_000_000_000
POLICIES = {"oldest": Overflow.DROP_OLDEST, "thin": Overflow.THIN, "reject": Overflow.REJECT_NEW}


class OutboxMachine(RuleBasedStateMachine):
    """`held`, `lost` and `gone` partition every sequence ever given out; a crash returns to the last commit."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="outbox-machine-"))
        self.path = self.folder / "outbox.db"
        self.room = RoomKeeper(Quota(max_bytes=3_000, free_floor_bytes=0, overflow_by_channel=POLICIES), lambda: 10**12)
        self.rows: OutboxRows = open_rows(self.path)[0]
        self.held: dict[int, str] = {}
        self.lost: set[int] = set()
        self.gone: set[int] = set()
        self.next = 1
        self.epoch = 0
        self.kept = self._copy()
        self.in_transaction = False

    def _copy(self) -> tuple[dict[int, str], set[int], set[int], int, int]:
        return dict(self.held), set(self.lost), set(self.gone), self.next, self.epoch

    def teardown(self) -> None:
        self.rows.close()
        shutil.rmtree(self.folder)

    @initialize()
    def start(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.rows.begin()
        self.in_transaction = True

    @rule()
    def commit(self) -> None:
        self.rows.commit()
        self.kept = self._copy()
        self.begin()

    @rule()
    def fail_and_roll_back(self) -> None:
        self.rows.rollback()
        self._return_to_kept()
        self.begin()

    @rule()
    def crash_and_reopen(self) -> None:
        """What a power cut leaves is the files as they are: the copy is opened as the next start would."""
        crashed = self.folder / "crashed"
        shutil.rmtree(crashed, ignore_errors=True)
        crashed.mkdir()
        for file in self.folder.glob("outbox.db*"):
            shutil.copy(file, crashed / file.name)
        self.rows.close()
        for file in self.folder.glob("outbox.db*"):
            file.unlink()
        for file in crashed.iterdir():
            shutil.move(file, self.folder / file.name)
        self.rows, recovery = open_rows(self.path)
        assert recovery is None
        self._return_to_kept()
        self.begin()

    def _return_to_kept(self) -> None:
        self.held, self.lost, self.gone, self.next, self.epoch = self.kept
        self.kept = self._copy()

    @rule(channel=st.sampled_from(sorted(POLICIES)), sizes=st.lists(st.integers(1, 60), min_size=1, max_size=12))
    def put(self, channel: str, sizes: list[int]) -> None:
        readings = [Reading(NOW + self.next + n, {"t": "x" * size}, channel) for n, size in enumerate(sizes)]
        results = self.room.put(self.rows, [encode_reading(r) for r in readings], NOW)
        assert [r.sequence for r in results] == list(range(self.next, self.next + len(sizes)))
        self.next += len(sizes)
        for result in results:
            if isinstance(result, StoredReading):
                self.held[result.sequence] = result.metrics_json
            else:
                self.lost.add(result.sequence)
        # What the policies dropped is found in the loss records, and must have been held or be of this put.
        declared = self._declared()
        dropped = {sequence for sequence in self.held if sequence in declared}
        assert self.lost | dropped == declared
        if channel == "reject":
            assert not dropped, "a channel made room at another's cost"
        for sequence in dropped:
            del self.held[sequence]
        self.lost = declared

    @rule(data=st.data())
    def acked(self, data: st.DataObject) -> None:
        low = data.draw(st.integers(1, self.next + 3))
        high = data.draw(st.integers(low, self.next + 20))
        limit = data.draw(st.integers(1, 10))
        deleted, settled = self.rows.settle(low, high, limit, NOW)
        expected = sorted(s for s in self.held if low <= s <= high)[:limit]
        assert deleted == len(expected)
        assert settled == (high if deleted < limit else expected[-1])
        for sequence in expected:
            del self.held[sequence]
            self.gone.add(sequence)
        covered = {s for s in self.lost if low <= s <= settled}
        self.lost -= covered
        self.gone |= covered

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def rejected(self, data: st.DataObject) -> None:
        sequence = data.draw(st.sampled_from(sorted(self.held)))
        before = self.rows.side_counts()[1]
        self.rows.reject(
            [Rejection(sequence, "bad_value", "no"), Rejection(self.next + 5, "bad_value", "not ours")], NOW
        )
        assert self.rows.side_counts()[1] == before + 1
        del self.held[sequence]
        self.gone.add(sequence)

    @rule()
    def renew_epoch(self) -> None:
        self.epoch += 1
        self.rows.set_meta("epoch", str(self.epoch))

    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        low = data.draw(st.integers(1, self.next + 1))
        limit = data.draw(st.integers(1, 20))
        run = self.rows.read_run((low, self.next + 5), limit, 128 * 1024, NOW)
        ahead = sorted(s for s in self.held if s >= low)
        if not ahead:
            assert run is None
            return
        expected = [ahead[0]]
        while len(expected) < limit and expected[-1] + 1 in self.held:
            expected.append(expected[-1] + 1)
        assert run is not None
        assert (run.first, run.last) == (expected[0], expected[-1])
        for sequence in expected:
            assert self.held[sequence] in run.rows_json

    @invariant()
    def counters_are_true(self) -> None:
        assert self.rows.rows == len(self.held)
        assert self.rows.next_sequence == self.next
        assert self.rows.epoch == self.epoch
        assert self.rows.used_bytes <= 3_000
        assert self.rows.oldest_unacked() == min([*self.held, *self.lost], default=self.next)
        assert self.held.keys() | self.lost | self.gone == set(range(1, self.next))

    def _declared(self) -> set[int]:
        return {s for loss in self.rows.losses(10_000) for s in range(loss.low, loss.high + 1)}


OutboxMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestOutboxMachine = OutboxMachine.TestCase
