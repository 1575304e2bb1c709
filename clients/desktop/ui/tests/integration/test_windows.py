"""Every window, driven as a person would, over an agent that says what it is told to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QCheckBox, QComboBox, QLineEdit, QPushButton, QTabWidget, QWidget

from pulse_contracts.local_enrolment import Step
from pulse_contracts.local_people import Session, WhoAmI
from pulse_contracts.local_protocol import Changed, EventName, Notice, NoticeKind
from pulse_contracts.local_records import LogLevel, Quarantine
from pulse_contracts.local_status import Recent, RecentParams
from pulse_contracts.permissions import Permission
from pulse_desktop.link import scripted_world as world
from pulse_desktop.link.scripted_people import settings

from .shown import asked, modal, page_of

# -- first run ----------------------------------------------------------------------------------------------------------


def test_the_assistant_leads_from_an_address_to_a_device(show: Any) -> None:
    with show(world.unenrolled(), is_in=False) as shown:
        shown.wait(lambda: shown.window.assistant is not None)
        page = shown.window.assistant
        page.address.setText("pulse.example.org")
        page.check.click()
        assert page.address_field.problem
        page.address.setText("https://pulse.example.org")
        page.check.click()
        shown.wait(lambda: page.state.is_checked)
        assert "48 s behind" in page.steps[Step.CLOCK].sentence
        page.enrol.click()
        assert page.code_field.problem
        page.code.setText("K7QM-2XPD-94TB")
        page.enrol.click()
        shown.wait(lambda: page.state.enrolled_as)
        assert "Press line 2" in page.note.text
        assert asked(shown, "enrol.enrol")[0].code == "K7QM-2XPD-94TB"
        shown.agent.show(world.status())
        shown.agent.hang_up()
        shown.wait(lambda: shown.window.sign_in is not None and shown.window.sign_in.isVisible())


def test_a_step_that_fails_says_what_to_do(show: Any, tmp_path: Path) -> None:
    with show(world.unenrolled(), world.answers(enrol__check=world.enrol_failed()), is_in=False) as shown:
        shown.wait(lambda: shown.window.assistant is not None)
        page = shown.window.assistant
        page.address.setText("https://pulse.example.org")
        page.check.click()
        shown.wait(lambda: page.state.has_failed)
        assert "What to do" in page.steps[Step.TLS].sentence
        (tmp_path / "no.pem").write_text("hello", encoding="ascii")
        page.take_authority(tmp_path / "no.pem")
        assert page.note.text == "This file is no PEM certificate."
        (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\nMII\n", encoding="ascii")
        page.take_authority(tmp_path / "ca.pem")
        page.check.click()
        shown.wait(lambda: len(asked(shown, "enrol.check")) == 2)
        assert asked(shown, "enrol.check")[1].ca_pem.startswith("-----BEGIN")


# -- signing in ---------------------------------------------------------------------------------------------------------


def test_a_refused_sign_in_says_why_and_forgets_the_password(show: Any) -> None:
    with show(world.offline(), is_in=False) as shown:
        shown.wait(lambda: shown.window.sign_in is not None)
        page = shown.window.sign_in
        page.submit.click()
        assert page.username_field.problem == "Needed."
        page.username.setText("ada")
        page.password.setText("wrong")
        page.submit.click()
        shown.wait(lambda: page.note.text == "Name or password is wrong.")
        assert page.password.text() == ""
        assert "sign in offline" in page.server.text()


def test_remember_me_keeps_the_name_and_nothing_else(show: Any, data: Path) -> None:
    with show(is_in=False) as shown:
        shown.wait(lambda: shown.window.sign_in is not None)
        shown.window.sign_in.remember.setChecked(True)
        shown.sign_in()
    kept = (data / "window.json").read_text(encoding="utf-8")
    assert json.loads(kept)["username"] == "ada"
    assert world.PASSWORD not in kept


def test_a_session_that_the_agent_ends_leads_back_to_signing_in(show: Any) -> None:
    with show() as shown:
        shown.window.open_settings()
        shown.agent.tell(EventName.SESSION, WhoAmI(session=None, reason="revoked", message="x"))
        shown.wait(shown.window.sign_in.isVisible)
        assert "taken back the right" in shown.window.sign_in.note.text
        assert not shown.window._dialogs or not any(one.isVisible() for one in shown.window._dialogs.values())


def test_signing_out_ends_the_session_here_and_there(show: Any) -> None:
    with show() as shown:
        shown.window.sign_out()
        shown.wait(lambda: asked(shown, "sign_out"))
        assert shown.desktop.bridge.session is None
        assert shown.window.sign_in.isVisible()


# -- home ---------------------------------------------------------------------------------------------------------------


def test_home_shows_value_connection_buffer_and_sync(show: Any) -> None:
    with show() as shown:
        home = shown.window.home
        shown.wait(lambda: home.value.contents.face == "content")
        assert home.value.figure.text() == f"{world.wave(world.NOW_MS - 400):.2f}"
        assert home.connection.badge.text == "Online"
        assert home.backlog.count.text() == "0"
        assert home.sync.when.text() == "23 s ago"
        shown.wait(lambda: len(home._series["cpu_percent"]) > 800)
        shown.agent.show(world.offline())
        shown.wait(lambda: home.connection.badge.text == "Offline buffering")
        assert home.backlog.count.text() == "12,431"
        shown.agent.show(world.draining())
        shown.wait(lambda: home.backlog.percent.text() == "66%")
        assert "913 records/s" in home.backlog.words.text()
        home.sync.now.click()
        shown.wait(home.sync.outcome.text)
        assert home.sync.outcome.text() == "Everything is the same here and on the server."


def test_new_readings_are_shown_as_they_come(show: Any) -> None:
    with show() as shown:
        home = shown.window.home
        shown.wait(lambda: home.value.contents.face == "content")
        shown.agent.tell(EventName.READING, world.latest(world.NOW_MS))
        shown.wait(lambda: home.value.figure.text() == f"{world.wave(world.NOW_MS):.2f}")
        home.value.choice.setCurrentText("door_open")
        assert home.value.figure.text() == "Off"
        home.span.setCurrentIndex(2)
        assert home.chart.span == 900


def test_readings_that_the_agent_did_not_tell_one_by_one_are_fetched(show: Any) -> None:
    def recent(params: RecentParams) -> Recent:
        times = range(world.NOW_MS - 900_000, world.NOW_MS + 8_000, 1_000)
        since = world.NOW_MS + 8_000 - params.seconds * 1_000
        return Recent(metric=params.metric, samples=[(at, world.wave(at)) for at in times if at >= since])

    with show() as shown:
        home = shown.window.home
        shown.wait(lambda: len(home._series.get("cpu_percent", ())) > 800)
        shown.desktop.context.now = lambda: world.NOW_MS / 1000 + 8
        shown.agent.answers["recent"] = recent
        shown.agent.tell(EventName.READING, world.latest(world.NOW_MS + 7_600))
        shown.wait(lambda: len(asked(shown, "recent")) == 2)
        assert asked(shown, "recent")[1] == RecentParams(metric="cpu_percent", seconds=10)
        shown.wait(lambda: not home._series["cpu_percent"].plot(world.NOW_MS / 1000 + 8, 10).gaps)
        home.value.choice.setCurrentText("memory_percent")
        shown.wait(lambda: asked(shown, "recent")[-1].metric == "memory_percent")
        assert len(asked(shown, "recent")) == 3


def test_who_may_not_see_readings_is_told_so(show: Any) -> None:
    with show(answers=world.answers(sign_in=world.session(Permission.SYSTEM_READ))) as shown:
        home = shown.window.home
        shown.wait(lambda: home.value.contents.face == "empty")
        assert "telemetry:read" in home.value.contents.sentence
        assert not shown.window._buttons["administration"].isEnabled()
        assert "users:read" in shown.window._buttons["administration"].toolTip()


def test_an_agent_that_is_gone_is_told_and_one_that_is_back_too(show: Any) -> None:
    with show() as shown:
        shown.agent.hang_up()
        shown.wait(lambda: shown.window.sign_in.isVisible() and shown.window.agent_note.text)
        assert "The agent runs again" in shown.window.agent_note.text
        assert "Sign in again" in shown.window.sign_in.note.text


def test_a_notice_leads_to_where_it_can_be_looked_at(show: Any) -> None:
    with show() as shown:
        notice = Notice(
            kind=NoticeKind.QUARANTINED, level=LogLevel.WARNING, sentence="x", at_ms=world.NOW_MS, facts={"count": 3}
        )
        shown.agent.tell(EventName.NOTICE, notice)
        shown.wait(lambda: shown.window.notice.text)
        assert shown.window.notice.text == "The server refused 3 readings for good. They are kept in quarantine."
        shown.window._look_at_notice()
        assert "records" in shown.window._dialogs


# -- settings, records, log, about --------------------------------------------------------------------------------------


def test_settings_are_checked_while_typed_and_saved_together(show: Any) -> None:
    with show() as shown:
        dialog = shown.window.open_settings()
        shown.wait(lambda: dialog.contents.face == "content")
        assert "With 0, none expires" in dialog.lines["outbox.max_age_s"].field.control.accessibleDescription()
        line = dialog.lines["telemetry.interval_ms"]
        assert not dialog.save.isEnabled()
        line._control.setText("5")
        assert line.field.problem == "From 10 ms to 1 d."
        assert not dialog.save.isEnabled()
        line._control.setText("500")
        dialog.lines["outbox.policy"]._control.setCurrentText("reject_new")
        dialog.save.click()
        shown.wait(lambda: len(asked(shown, "settings.change")) == 2)
        assert [(one.key, one.value) for one in asked(shown, "settings.change")] == [
            ("telemetry.interval_ms", 500), ("outbox.policy", "reject_new"),
        ]  # fmt: skip
        shown.wait(lambda: "Saved" in dialog.note.text)
        dialog.lines["telemetry.interval_ms"].reset.click()
        shown.wait(lambda: dialog.lines["telemetry.interval_ms"].text == "1000")
        assert asked(shown, "settings.reset")
        assert dialog.lines["outbox.policy"].text == "reject_new"


def test_settings_that_are_open_follow_what_is_changed_elsewhere_and_keep_what_is_typed(show: Any) -> None:
    with show() as shown:
        dialog = shown.window.open_settings()
        shown.wait(lambda: dialog.contents.face == "content")
        dialog.lines["telemetry.interval_ms"]._control.setText("500")
        elsewhere = {"telemetry.interval_ms": 2_000, "log.level": "DEBUG"}
        items = [one.model_copy(update={"value": elsewhere.get(one.key, one.value)}) for one in settings().items]
        shown.agent.answers["settings.read"] = settings().model_copy(update={"items": items})
        shown.agent.tell(EventName.CHANGED, Changed(entities=["settings", "config"]))
        shown.wait(lambda: dialog.lines["log.level"].text == "DEBUG")
        assert dialog.note.text.startswith("Changed meanwhile: Interval between readings")
        assert "→ 2000 (what you typed stays)" in dialog.note.text
        assert dialog.lines["telemetry.interval_ms"].text == "500"
        assert dialog.save.isEnabled()
        assert not dialog.lines["log.level"].is_changed


def test_the_tab_key_goes_through_the_settings_from_above_to_below(show: Any) -> None:
    with show() as shown:
        dialog = shown.window.open_settings()
        shown.wait(lambda: dialog.contents.face == "content")
        wanted = [*(line._control for line in dialog.lines.values()), dialog.window_card.appearance, dialog.save]
        stop, stops = wanted[0], [wanted[0]]
        while (stop := stop.nextInFocusChain()) is not wanted[0]:
            stops.append(stop)
        assert [one for one in stops if one in wanted] == wanted


def test_who_may_not_change_settings_sees_them(show: Any) -> None:
    with show(answers=world.answers(settings__read=settings(can_change=False))) as shown:
        dialog = shown.window.open_settings()
        shown.wait(lambda: dialog.contents.face == "content")
        assert not dialog.lines["log.level"]._control.isEnabled()
        assert "config:write" in dialog.note.text


def test_theme_language_and_autostart_hold_at_once(show: Any, tmp_path: Path) -> None:
    from pulse_desktop.autostart import XdgAutostart

    with show() as shown:
        shown.desktop.context.autostart = XdgAutostart(["pulse-desktop"], tmp_path / "autostart")
        dialog = shown.window.open_settings()
        card = dialog.window_card
        card.autostart.setChecked(True)
        assert (tmp_path / "autostart" / "precisionpulse.desktop").exists()
        card.autostart.setChecked(False)
        assert not (tmp_path / "autostart" / "precisionpulse.desktop").exists()
        (tmp_path / "autostart").rmdir()
        (tmp_path / "autostart").write_text("no folder", encoding="ascii")
        card.autostart.setChecked(True)
        assert card.problem.text
        assert not card.autostart.isChecked()
        card.appearance.setCurrentIndex(2)
        shown.wait(lambda: shown.window.palette().window().color().lightness() < 128 and shown.window.updatesEnabled())
        assert not card.tray.isEnabled()
        card.language.setCurrentIndex(1)
        shown.wait(lambda: shown.desktop.windows[0] is not shown.window)
        again = shown.desktop.windows[0]
        shown.wait(lambda: again.home is not None)
        assert again.home.sync.now.text() == "Jetzt abgleichen"


def test_quarantine_is_read_page_by_page_exported_whole_and_cleared(show: Any, tmp_path: Path) -> None:
    whole = world.quarantine(250)

    def paged(params: Any) -> Quarantine:
        rows = [row for row in whole.rows if row.number > params.after][: params.limit]
        is_last = not rows or rows[-1].number == 250
        return Quarantine(total=250, rows=rows, next=None if is_last else rows[-1].number)

    with show(answers=world.answers(quarantine__list=paged)) as shown:
        dialog = shown.window.open_records()
        shown.turn()
        page = dialog.quarantine
        shown.wait(lambda: len(page.table.rows) == 100)
        page.more.click()
        shown.wait(lambda: len(page.table.rows) == 200)
        assert page.shown.text() == "200 of 250"
        page.save_to(tmp_path / "out.jsonl")
        shown.wait(lambda: page.note.text)
        assert page.note.text.startswith("250 readings written to")
        lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["number"] for line in lines] == list(range(1, 251))
        page.save_to(tmp_path / "nowhere" / "out.jsonl")
        shown.wait(lambda: page.note.text.startswith("Not written"))
        page.clear.click()
        modal(shown).yes.click()
        shown.wait(lambda: asked(shown, "quarantine.clear"))
        assert asked(shown, "quarantine.clear")[0].up_to == 200


def test_losses_say_whether_the_server_knows(show: Any) -> None:
    with show() as shown:
        dialog = shown.window.open_records()
        shown.turn()
        page = dialog.losses
        shown.wait(lambda: page.table.rows)
        assert [row.cells[4].text[:4] for row in page.table.rows] == ["told", "not "]


def test_the_log_is_followed_and_left(show: Any) -> None:
    from pulse_contracts.local_protocol import LogEvent
    from pulse_contracts.local_records import LogRecord

    with show() as shown:
        dialog = shown.window.open_logs()
        shown.wait(lambda: len(dialog.log.table.rows) == 6)
        new = LogRecord(
            number=7, at_ms=world.NOW_MS, level="error", event="disk_full", part="outbox", fields={"free": 0}
        )
        shown.agent.tell(EventName.LOG, LogEvent(records=[new], dropped=3))
        shown.wait(lambda: len(dialog.log.table.rows) == 7)
        assert "3 records were skipped" in dialog.log.note.text
        dialog.close()
        shown.wait(lambda: asked(shown, "logs.tail")[-1].follow is False)


def test_about_tells_versions_and_licences(show: Any) -> None:
    with show() as shown:
        dialog = shown.window.open_about()
        assert ("Agent", "0.1.0 (Python 3.11.7, SQLite 3.45.1)") in dialog.lines
        dialog._copy()
        assert "Protocol: 1" in QApplication.clipboard().text()


# -- all of them --------------------------------------------------------------------------------------------------------


def nameless(root: QWidget) -> list[str]:
    """Return the controls that a screen reader would not be able to name."""
    kinds = (QPushButton, QLineEdit, QComboBox, QCheckBox, QTabWidget)
    inner = ("qt_spinbox_lineedit", "qt_toolbar_ext_button", "")
    found = []
    for kind in kinds:
        for widget in root.findChildren(kind):
            is_part = isinstance(widget.parent(), QComboBox) or widget.objectName() in inner[:2]
            if widget.isVisible() and not is_part and not widget.accessibleName():
                found.append(f"{type(widget).__name__} {getattr(widget, 'text', lambda: '')()}")
    return found


def test_every_control_of_every_window_has_a_name_and_can_be_reached_by_keyboard(show: Any) -> None:
    with show() as shown:
        window = shown.window
        roots = [window]
        for open_it in (window.open_settings, window.open_records, window.open_logs, window.open_about):
            roots.append(open_it())
            shown.turn()
        shown.wait(lambda: roots[1].contents.face == "content")
        for number in range(5):
            page = page_of(shown, number)
            roots.append(page)
            assert nameless(page) == []
        page = page_of(shown, 0)
        shown.wait(lambda: page.roles)
        page.new.click()
        form = modal(shown)
        roots.append(form)
        for root in roots:
            assert nameless(root) == []
            for control in root.findChildren(QPushButton):
                assert control.focusPolicy() & Qt.FocusPolicy.TabFocus
            shown.turn()
        form.reject()


def test_several_windows_show_the_same_session_and_closing_asks_first(show: Any) -> None:
    with show() as shown:
        shown.desktop.open()
        second = shown.desktop.windows[1]
        shown.wait(lambda: second.home is not None)
        second.close()
        assert shown.desktop.windows == [shown.window]
        shown.window.exit.click()
        question = modal(shown)
        assert "Only the window closes" in question.findChildren(type(shown.window.device))[1].text()
        question.no.click()
        assert shown.window.isVisible()


def test_a_second_start_raises_the_first_or_opens_one_more(show: Any, data: Path) -> None:
    import threading

    from pulse_desktop.single_instance import Call, call_running

    with show(is_in=False) as shown:
        answers: list[bool] = []
        other = threading.Thread(target=lambda: answers.append(call_running(data, Call.OPEN)))
        other.start()
        shown.wait(lambda: len(shown.desktop.windows) == 2)
        other.join()
        assert answers == [True]
        shown.desktop.windows[0].hide()
        shown.desktop.windows[1].close()
        shown.desktop._take_call(Call.RAISE)
        assert shown.desktop.windows[0].isVisible()
    assert not call_running(data, Call.RAISE)


@pytest.mark.parametrize("is_online", [True, False])
def test_the_account_tells_state_and_lease(show: Any, is_online: bool) -> None:
    session: Session = world.session(is_online=is_online)
    with show(answers=world.answers(sign_in=session)) as shown:
        said = shown.window.account.toolTip()
        assert ("server reached" in said) == is_online
        assert "You may work here without the server until" in said
