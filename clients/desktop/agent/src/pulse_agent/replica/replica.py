"""The replica of one desktop: takes messages as bytes, says what to send as bytes, and is one SQLite file.

Guarantees: a message that is forged, replayed, retained, too old, too large, for somebody else, or that answers nothing
we asked, changes nothing and is noted with its reason; revocations are in force from the first page that names them;
rows, leases and cursor change together, on the last page; an edit is sent until it is answered. Fresh is what names our
open question, which is random and given up after a minute: no wall clock, theirs or ours, can make that old or new.
Synchronous and without network; one thread at a time. Other processes may record edits in the same file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from pulse_agent.configuration.entries import ConfigEntry
from pulse_agent.replica.database import ReplicaDatabase
from pulse_agent.replica.effective import pull_interval
from pulse_agent.replica.enrolled import adopt_identity
from pulse_agent.replica.identity import DesktopIdentity
from pulse_agent.replica.messages import Mail, MessageRefusedError, new_request, read_poke
from pulse_agent.replica.questions import REFUSED_SECONDS, TRY_LATER_SECONDS, Asking, Questions
from pulse_agent.replica.staging import Staging, Walk
from pulse_agent.replica.swapping import Swapping
from pulse_agent.replica.time_seen import TimeSeen
from pulse_agent.replica.view import ReplicaView
from pulse_chassis.clock import Clock
from pulse_chassis.logging import get_logger
from pulse_contracts.operations import EditableEntity, OutcomeKind
from pulse_contracts.sync import (
    MESSAGE_SECONDS,
    PULL_SECONDS,
    Answer,
    AppliedConfig,
    Page,
    PullRefused,
    Report,
    ServiceKeys,
)
from pulse_contracts.topics import sync_down, sync_update

FORCE: Final = "force"
"""The name under which the server, unasked, tells a desktop to compare everything now."""
MAX_NOTED_REFUSALS: Final = 30
"""Refused messages that are noted within a minute; overflow policy: the rest is only counted."""
MAX_REPORTED: Final = 500
"""Config entries of one report."""
RESUME_SECONDS: Final = 60.0
"""A pull that was cut goes on where it was when the link is back within this time."""
_POKES: Final = frozenset(sync_update(entity) for entity in ("users", "roles", "permissions", "config"))

_log = get_logger("replica")


class Replica(ReplicaView):
    """Use it from one thread. Raises NewerDatabaseError, sqlite3.Error when the file cannot be opened.

    `is_suspect`: look through the whole file first, and set it aside if it is damaged.
    """

    def __init__(self, path: Path, identity: DesktopIdentity, clock: Clock, *, is_suspect: bool = False) -> None:
        self._identity = identity
        self._clock = clock
        super().__init__(ReplicaDatabase(path, is_suspect=is_suspect), identity)
        self.time_seen = TimeSeen(self.database)
        adopt_identity(self.database, identity, self._now_ms())
        self._staging = Staging(self.database)
        self._swapping = Swapping(self.database, self._staging, self.operations, self.journal, self.time_seen)
        self._mail = Mail(identity, identity.sync_keys) if identity.sync_keys is not None else None
        self._questions = Questions()
        self._walk: Walk | None = None
        self._cut_at = 0.0
        self._forced_at = 0
        self._heard = (0, 0.0)
        self._is_report_due = False
        self._last_report: bytes | None = None
        self._refusals: list[float] = []
        self.refused = 0
        self.pulls = 0
        self.differing: list[str] = []
        """What the latest comparison by checksum found to differ."""
        self._requested = self.database.value("sync_requested")
        self._config_listeners: list[Callable[[dict[str, ConfigEntry]], None]] = []
        self._config = self.effective_config()

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    def trust(self, keys: ServiceKeys) -> None:
        """Believe sync's keys from now on. Raises ValueError when they are none."""
        self._mail = Mail(self._identity, keys)

    # -- the link ---------------------------------------------------------------------------------------------------

    def connected(self) -> None:
        """The topics are subscribed on a new connection."""
        now = self._clock.monotonic()
        if self._walk is not None and now - self._cut_at > RESUME_SECONDS:
            self._drop_walk()
        self._last_report = None
        self._heard = (0, 0.0)
        self._questions.connected(now)

    def disconnected(self) -> None:
        """The connection is gone."""
        self._cut_at = self._clock.monotonic()
        self._questions.disconnected()

    def receive(self, topic: str, payload: bytes, retained: bool = False) -> None:
        """Take a message; whatever is wrong with it is noted, never raised."""
        try:
            if retained:
                raise MessageRefusedError("retained", "sync keeps no message for later")
            if topic in _POKES:
                self._take_poke(payload)
            elif topic == sync_down(self._identity.device_id):
                self._take_down(payload)
            else:
                raise MessageRefusedError("wrong_topic", "no topic of sync")
        except MessageRefusedError as refusal:
            self._note_refusal(refusal, topic)
        except (ValueError, TypeError, OverflowError) as error:
            # Signed, and yet nothing that can be kept: a number too large for the file, for instance. Not at once again.
            self._drop_walk()
            for kind in Asking:
                self._questions.put_off(kind, REFUSED_SECONDS, self._clock.monotonic())
            self._note_refusal(MessageRefusedError("cannot_be_kept", f"{type(error).__name__}: {error}"), topic)

    def outgoing(self) -> list[bytes]:
        """Return what is to be sent now to `sync/{id}/up`, in order."""
        now = self._clock.monotonic()
        self.time_seen.note(self._now_ms())
        if self._swapping.needs_scrub:
            self._swapping.needs_scrub = not self.database.scrub()
        self._look_at_others()
        messages = []
        match self._questions.next_kind(now, **self._situation()):
            case Asking.PULL if self._mail is not None:
                messages.append(self._ask_for_page(self._mail, now))
            case Asking.PUSH if self._mail is not None:
                messages.append(self._ask_to_apply(self._mail, now))
            case _:
                pass
        if self._is_report_due and self._questions.is_connected:
            self._is_report_due = False
            report = self._report()
            if report != self._last_report:
                self._last_report = report
                messages.append(report)
        return messages

    def next_due(self) -> float | None:
        """Return when, by the monotonic clock, `outgoing` may have something new; None while it cannot have."""
        if self._mail is None:
            return None
        return self._questions.due_at(self._clock.monotonic(), **self._situation())

    # -- use --------------------------------------------------------------------------------------------------------

    def record(self, actor: UUID, entity: EditableEntity | str, row_id: str, fields: Mapping[str, Any]) -> None:
        """Keep an edit of `actor`, whose rights the caller has checked (`pulse_agent.local_access.editing`).

        `fields` is a mask of UserFields, RoleFields or ConfigFields; an id that is not there makes a new row.
        Raises EditRefusedError, ValueError.
        """
        self.operations.record(actor, EditableEntity(entity), row_id, fields, self._now_ms())
        if entity == EditableEntity.CONFIG:
            self._tell_config()

    def request_sync(self) -> None:
        """Compare everything with the server as soon as possible; also from another process."""
        with self.database.transaction():
            self.database.set_value("sync_requested", self.database.number("sync_requested") + 1)
            self._swapping.stop_holding()
        self._look_at_others()

    def config_applied(self, applied: Sequence[AppliedConfig]) -> None:
        """Tell the server which entries are in force here, or why not."""
        reported = sorted(applied, key=lambda made: made.error is None)[:MAX_REPORTED]  # what failed comes first
        text = json.dumps([made.model_dump(mode="json") for made in reported])
        if text != self.database.value("applied_config"):
            with self.database.transaction():
                self.database.set_value("applied_config", text)
        self._is_report_due = True

    def on_config(self, listener: Callable[[dict[str, ConfigEntry]], None]) -> None:
        """Have `listener` called, in the replica's thread, with the configuration in force whenever it changed."""
        self._config_listeners.append(listener)

    @property
    def is_pulling(self) -> bool:
        """Whether a pull is under way."""
        return self._walk is not None

    # -- messages ---------------------------------------------------------------------------------------------------

    def _take_poke(self, payload: bytes) -> None:
        cursor = read_poke(payload).cursor
        if cursor > max(self.cursor, self._questions.poked):
            self._questions.poked = cursor
            if self._walk is None:
                self._questions.want_pull()

    def _take_down(self, payload: bytes) -> None:
        if self._mail is None:
            raise MessageRefusedError("no_keys", "sync's keys were not fetched yet")
        message = self._mail.open_down(payload)
        if message.req == FORCE and isinstance(message, Page):
            self._force(message)
            return
        question = self._questions.open
        if question is None or message.req != question.request:
            raise MessageRefusedError("not_asked", "answers no open question")
        if message.iat > self._server_ms():
            self._heard = (message.iat, self._clock.monotonic())
        match message:
            case Page() if question.kind is Asking.PULL and self._walk is not None:
                self._questions.answered()
                self._take_page(message, self._walk, self._mail)
            case Answer() if question.kind is Asking.PUSH:
                self._questions.answered()
                self._take_answer(message)
            case PullRefused():
                self._questions.answered()
                self._take_refusal(message, question.kind)
            case _:
                raise MessageRefusedError("not_asked", "the answer to another kind of question")

    def _server_ms(self) -> int:
        """Return the server's time as this connection has heard it, moved on by monotonic time; 0 before.

        Forgotten with the connection: a server whose clock once ran ahead must not make all it says old for years.
        """
        iat, then = self._heard
        return iat + int((self._clock.monotonic() - then) * 1000) if iat else 0

    def _force(self, page: Page) -> None:
        """Do what was not asked for, if it is new: an answer proves that by our own fresh name, this by its time."""
        age_ms = self._server_ms() - page.iat
        if age_ms > MESSAGE_SECONDS * 1000:
            raise MessageRefusedError("too_old", f"{age_ms // 1000} s old")
        if page.iat <= self._forced_at:
            raise MessageRefusedError("replayed", "this was asked before")
        self._forced_at = page.iat
        self.request_sync()

    def _take_page(self, page: Page, walk: Walk, mail: Mail) -> None:
        is_lost = walk.checkpoint is not None and page.checkpoint != walk.checkpoint
        if is_lost or page.mode != walk.mode or (page.next is not None and page.next == walk.after):
            self._drop_walk()
            self._questions.put_off(Asking.PULL, 1.0, self._clock.monotonic())
            self._questions.want_pull()
            raise MessageRefusedError("wrong_page", "a page of another pull: it begins anew")
        walk.checkpoint = page.checkpoint
        self._swapping.revoke(page.revocations, self._now_ms())
        for user_id, token in page.leases.items():
            try:
                lease = mail.open_lease(token, user_id)
            except MessageRefusedError as refusal:
                self._note_refusal(refusal, "lease")
            else:
                walk.leases[user_id] = (token, lease.exp, lease.rev)
        walk.verifiers.update(page.verifiers)
        self._staging.stage(page, walk)
        if page.next is not None:
            walk.after = page.next
            return
        self._finish(page, walk)

    def _finish(self, page: Page, walk: Walk) -> None:
        now = self._clock.monotonic()
        was_snapshot = walk.mode == "snapshot"
        self.differing = self._swapping.swap(page, walk, self._now_ms())
        self.pulls += 1
        if was_snapshot or "config" in walk.entities:
            self._tell_config()
        self._drop_walk()
        self._questions.pulled(now)
        if was_snapshot and self.differing:
            self._questions.put_off_snapshot(now)
        if page.head > page.checkpoint or self._questions.poked > page.checkpoint:
            self._questions.want_pull()
        self._questions.poked = 0
        self._is_report_due = True

    def _take_answer(self, answer: Answer) -> None:
        now_ms = self._now_ms()
        with self.database.transaction(durable=True) as connection:
            settled = [self.operations.settle(connection, outcome, now_ms) for outcome in answer.outcomes]
            self.time_seen.hear(answer.iat)
        self._is_report_due = True
        if not any(settled):
            # An answer that answers nothing we sent: sent again later, or it would go round in a circle.
            self._questions.put_off(Asking.PUSH, REFUSED_SECONDS, self._clock.monotonic())
        if any(outcome.outcome is not OutcomeKind.APPLIED for outcome in answer.outcomes):
            self._questions.want_pull()  # the row as it is now may not have been ours to see in the answer
        if any(made is not None and made.entity is EditableEntity.CONFIG for made in settled):
            self._tell_config()

    def _take_refusal(self, refused: PullRefused, kind: Asking) -> None:
        now = self._clock.monotonic()
        with self.database.transaction():
            self.journal.note(self._now_ms(), kind.value, "refused", f"{refused.code} {refused.detail}".strip())
            if refused.code == "snapshot_needed":
                self.database.set_value("needs_snapshot", 1)
            elif refused.code != "try_later":
                self.database.set_value("error", f"{kind.value}: {refused.code} {refused.detail}".strip()[:256])
        if refused.code == "snapshot_needed":
            self._drop_walk()
            if kind is Asking.PUSH:  # then the snapshot goes first
                self._questions.put_off(kind, TRY_LATER_SECONDS, now)
            return
        usual = TRY_LATER_SECONDS if refused.code == "try_later" else REFUSED_SECONDS
        asked_ms = refused.retry_after_ms
        self._questions.put_off(kind, usual if asked_ms is None else max(asked_ms / 1000, 0.1), now)
        if kind is Asking.PULL:
            self._questions.want_pull()
            if refused.code != "try_later":
                self._drop_walk()

    def _note_refusal(self, refusal: MessageRefusedError, topic: str) -> None:
        now = self._clock.monotonic()
        self.refused += 1
        self._refusals = [moment for moment in self._refusals if now - moment < 60.0]
        if len(self._refusals) >= MAX_NOTED_REFUSALS:
            return
        self._refusals.append(now)
        _log.warning("sync_message_refused", code=refusal.code, detail=str(refusal), topic=topic)
        with self.database.transaction():
            self.journal.note(self._now_ms(), "message", "refused", f"{refusal.code}: {refusal}")
            if refusal.code == "unknown_key":
                self.database.set_value("error", "sync signs with a key that is not known here: enrol again")

    # -- questions --------------------------------------------------------------------------------------------------

    def _situation(self) -> dict[str, bool]:
        return {
            "has_edits": self.operations.count() > 0,
            "has_walk": self._walk is not None,
            "needs_snapshot": self.database.value("needs_snapshot") is not None,
        }

    def _ask_for_page(self, mail: Mail, now: float) -> bytes:
        if self._walk is None:
            needs_snapshot = self.database.value("needs_snapshot") is not None and self._questions.may_snapshot(now)
            self._walk = Walk(
                mode="snapshot" if needs_snapshot else "delta",
                since=0 if needs_snapshot else self.cursor,
                revocation_no=self.database.number("revocation_no"),
                renew_leases=self._swapping.should_renew_leases(self._now_ms()),
            )
        request = new_request()
        self._questions.ask(Asking.PULL, request, now)
        return mail.pull(request, self._walk)

    def _ask_to_apply(self, mail: Mail, now: float) -> bytes:
        request = new_request()
        self._questions.ask(Asking.PUSH, request, now)
        return mail.push(request, self.operations.next_push())

    def _report(self) -> bytes:
        applied = json.loads(self.database.value("applied_config") or "[]")
        report = Report(
            cursor=self.cursor,
            revocation_no=self.database.number("revocation_no"),
            pending=self.operations.count(),
            applied_config=[AppliedConfig.model_validate(made) for made in applied],
            error=self.database.value("error"),
        )
        return report.model_dump_json(exclude_none=True).encode()

    def _drop_walk(self) -> None:
        if self._walk is not None:
            self._walk = None
            self._staging.clear()

    def _look_at_others(self) -> None:
        """Notice what another process did: a sync asked for, or edits (which `next_kind` then sees by itself)."""
        requested = self.database.value("sync_requested")
        if requested != self._requested:
            self._requested = requested
            self._questions.want_pull()
        if self.database.has_changed():
            self._tell_config()

    def _tell_config(self) -> None:
        config = self.effective_config()
        if config != self._config:
            self._config = config
            for listener in self._config_listeners:
                listener(config)
        interval = config.get("sync.pull_interval_s")
        self._questions.interval = PULL_SECONDS if interval is None else pull_interval(interval.value)

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)
