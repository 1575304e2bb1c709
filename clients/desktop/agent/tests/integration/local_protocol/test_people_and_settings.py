"""Signing in, edits of people and settings, and what becomes of them, over the real socket."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from pulse_contracts.local_protocol import Entity, EventName, NoticeKind

from .running import BOB, PASSWORDS, READERS, Running, signed_in


async def test_what_is_wrong_with_a_call_is_said_by_code_and_field(running: Running) -> None:
    async with running.window() as window:
        assert (await window.error("users.list")).code == "not_signed_in"
        window_call = await window.error("enrol.check", url="https://x")
        assert window_call.code == "already_enrolled"
        await signed_in(window, "bob")
        missing = await window.error("users.create", username="carl", password="long enough")
        assert (missing.code, "users:write" in missing.message) == ("permission_missing", True)
        wrong = await window.error("users.list", limit=501)
        assert (wrong.code, wrong.field) == ("bad_params", "limit")
        extra = await window.error("users.list", serach="x")
        assert (extra.code, extra.field) == ("bad_params", "serach")
        assert (await window.error("users.burn")).code == "unknown_method"
        assert (await window.call("whoami")).session.username == "bob"


async def test_signing_in_works_without_the_server_and_guessing_is_slowed_down(running: Running) -> None:
    async with running.window() as window:
        assert (await window.call("whoami")).session is None
        for _ in range(3):
            assert (await window.error("sign_in", username="anna", password="wrong")).code == "wrong_credentials"
        locked = await window.error("sign_in", username="anna", password="wrong")
        assert (locked.code, locked.retry_after) == ("locked_out", 1)
        session = await window.call("sign_in", username="BOB", password=PASSWORDS["bob"])
        assert (session.username, session.is_online, session.permissions) == ("bob", False, ["users:read"])
        assert session.lease_until_ms > time.time() * 1000
        async with running.window() as other:
            assert (await other.call("whoami")).session is None, "a session is bound to its connection"
        await window.call("sign_out")
        assert (await window.error("users.list")).code == "not_signed_in"


async def test_an_edit_is_marked_until_the_server_answers_and_other_windows_hear_of_it(
    running: Running, sync_peer: Any, talk: Callable[..., None]
) -> None:
    async with running.window() as first, running.window() as second:
        await signed_in(first)
        await signed_in(second, "bob")
        made = await first.call("users.create", username="carl", password="carls secret", roles=[READERS])
        await first.call("users.edit", id=BOB, email="bob@example.org")
        await first.call("users.set_password", id=BOB, password="bobs new secret")
        await second.until(
            lambda: any({Entity.USERS, Entity.PENDING} <= set(c.entities) for c in second.told(EventName.CHANGED)),
            "the news of the edit",
        )
        rows = {row.username: row for row in (await second.call("users.list")).rows}
        assert rows["anna"].pending is None
        assert (rows["carl"].id, rows["carl"].pending.is_new, rows["carl"].roles) == (made.id, True, [READERS])
        assert rows["bob"].pending.fields == ["email", "password"]
        assert [row.username for row in (await second.call("users.list", search="CAR")).rows] == ["carl"]
        assert (await second.error("sync.now")).code == "offline"
        waiting = await first.call("sync.pending")
        assert [(edit.name, edit.actor) for edit in waiting.rows] == [("carl", "anna"), ("bob", "anna")]
        assert "secret" not in str(waiting)
        assert {role.name: role.users for role in (await first.call("roles.list")).rows} == {"admin": 1, "reader": 2}
        taken = await first.error("users.create", username="CARL", password="long enough")
        assert (taken.code, taken.field) == ("username_taken", "username")
        await first.call("users.delete", id=made.id)
        await running.sync(sync_peer, talk)
        await first.until(lambda: any(s.sync.pending == 0 for s in first.told(EventName.STATE)[-1:]), "all answered")
        after = {row.username: row.pending for row in (await first.call("users.list")).rows}
        assert after == {"anna": None, "bob": None}


async def test_a_lost_edit_is_told_kept_and_can_be_made_again(
    running: Running, sync_peer: Any, talk: Callable[..., None]
) -> None:
    async with running.window() as window:
        await signed_in(window)
        await window.call("users.edit", id=BOB, email="here@example.org")
        sync_peer.put("users", BOB, username="bob", email="web@example.org", is_active=True, roles=[READERS])
        await running.sync(sync_peer, talk)
        await window.until(lambda: window.told(EventName.NOTICE), "the notice")
        notice = window.told(EventName.NOTICE)[0]
        assert (notice.kind, "the user bob (email)" in notice.sentence) == (NoticeKind.EDIT_UNDONE, True)
        assert [row.number for row in (await window.call("notices.list")).rows] == [notice.facts["number"]]
        kept = await window.call("conflicts.list", only_open=True)
        (row,) = kept.rows
        assert (kept.open, row.outcome, row.can_restore, row.actor) == (1, "conflict_lost", True, "anna")
        assert (row.here, row.server["email"]) == ({"email": "here@example.org"}, "web@example.org")
        assert (await window.error("conflicts.accept", number=4711)).code == "not_found"
        await window.call("conflicts.restore", number=row.number)
        assert (await window.error("conflicts.restore", number=row.number)).code == "already_decided"
        assert (await window.call("notices.list")).rows == []
        found = {user.id: user for user in (await window.call("users.list")).rows}[BOB]
        assert (found.email, found.pending.fields) == ("here@example.org", ["email"])
        await running.sync(sync_peer, talk)
        assert sync_peer.rows("users")[BOB]["email"] == "here@example.org"
        assert (await window.call("conflicts.list")).rows[-1].resolution == "restored"
        log = (await window.call("sync.log", limit=2)).rows
        assert log[0].number == log[1].number + 1


async def test_a_user_who_is_disabled_is_signed_out_of_an_open_window(running: Running) -> None:
    async with running.window() as admin, running.window() as window:
        await signed_in(admin)
        await signed_in(window, "bob")
        await admin.call("users.set_active", id=BOB, is_active=False)
        await window.until(lambda: window.told(EventName.SESSION), "the end of the session")
        ended = window.told(EventName.SESSION)[-1]
        assert (ended.session, ended.reason) == (None, "disabled")
        assert (await window.error("users.list")).code == "not_signed_in"


async def test_a_setting_is_in_force_at_once_and_only_for_who_may(running: Running) -> None:
    async with running.window() as window:
        await signed_in(window, "bob")
        read = await window.call("settings.read")
        assert (read.can_change, read.device.server_url) == (False, "https://pulse.example.org")
        denied = await window.error("settings.change", key="telemetry.interval_ms", value=250)
        assert denied.code == "permission_missing"
        await signed_in(window)
        wrong = await window.error("settings.change", key="telemetry.interval_ms", value=1)
        assert (wrong.code, wrong.field) == ("bad_value", "value")
        changed = await window.call("settings.change", key="outbox.max_bytes", value=2**21)
        assert (changed.value, changed.origin, changed.is_pending) == (2**21, "device", True)
        assert running.agent.outbox.quota.max_bytes == 2**21
        (entry,) = (await window.call("config.list")).rows
        assert (entry.key, entry.scope, entry.is_winner) == ("outbox.max_bytes", "device", True)
        reset = await window.call("settings.reset", key="outbox.max_bytes")
        assert (reset.origin, running.agent.outbox.quota.max_bytes) == ("default", 2**30)
        assert (await window.call("settings.reset", key="outbox.max_bytes")).origin == "default"
        assert (await window.error("settings.change", key="no.such", value=1)).code == "not_found"
