"""The window over a real agent's process: first run, work without a network, killed agents, killed windows, no long pause."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QApplication

from pulse_contracts.local_enrolment import StepState
from pulse_desktop.app import Desktop
from pulse_desktop.link.state import LinkPhase
from pulse_desktop.options import Options
from pulse_desktop.preferences import PreferencesFile
from pulse_desktop.texts.language import Language

from .desk import PASSWORD, enrol_offline
from .watchdog import Watchdog

COMMAND = (sys.executable, "-m", "pulse_agent", "run", "--await-enrolment", "--source", "simulated")
DEADLINE_MS = 120_000


@pytest.fixture
def desktop(qtbot: Any, qapp: Any, data: Path) -> Iterator[Callable[[], Desktop]]:
    """Open the program, which starts the agent itself; both are ended afterwards."""
    qapp.setQuitOnLastWindowClosed(False)
    opened: list[Desktop] = []

    def open_it() -> Desktop:
        PreferencesFile(data).change(language=Language.ENGLISH)
        desktop = Desktop(qapp, Options(data, COMMAND))
        desktop.context.has_tray = lambda: False
        desktop.start(Options(data, COMMAND))
        opened.append(desktop)
        qtbot.waitUntil(lambda: desktop.bridge.status is not None, timeout=DEADLINE_MS)
        return desktop

    yield open_it
    for widget in qapp.topLevelWidgets():
        widget.close()
    for one in opened:
        one.stop()
        process = one.bridge._link._keeper._process
        if process is not None:
            process.kill()
            process.wait()


def until(qtbot: Any, condition: Callable[[], object]) -> None:
    qtbot.waitUntil(lambda: bool(condition()), timeout=DEADLINE_MS)


def test_the_assistant_asks_a_real_agent_and_says_what_to_do(qtbot: Any, desktop: Callable[[], Desktop]) -> None:
    window = desktop().windows[0]
    until(qtbot, lambda: window.assistant is not None)
    page = window.assistant
    assert page is not None
    page.address.setText("http://127.0.0.1:1")
    page.check.click()
    until(qtbot, lambda: page.state.has_failed and not page.state.is_busy)
    failed = [step for step, report in page.state.reports.items() if report.state is StepState.FAILED]
    assert len(failed) == 1
    assert "What to do" in page.steps[failed[0]].sentence


def test_a_day_without_a_network_and_an_agent_that_is_killed(
    qtbot: Any, desktop: Callable[[], Desktop], data: Path
) -> None:
    enrol_offline(data)
    program = desktop()
    window, bridge = program.windows[0], program.bridge
    until(qtbot, lambda: window.sign_in is not None and window.sign_in.isVisible())
    watchdog = Watchdog()
    page = window.sign_in
    assert page is not None
    page.username.setText("anna")
    page.password.setText("wrong")
    page.submit.click()
    until(qtbot, lambda: page.note.text == "Name or password is wrong.")
    page.password.setText(PASSWORD)
    page.submit.click()
    until(qtbot, lambda: window.home is not None and window.home.isVisible())
    home = window.home
    assert home is not None
    assert bridge.session is not None
    assert not bridge.session.is_online
    until(qtbot, lambda: home.value.contents.face == "content")
    first = int(home.backlog.count.text().replace(",", ""))
    until(qtbot, lambda: int(home.backlog.count.text().replace(",", "")) > first)

    administration: Any = window.open_administration()
    users: Any = administration.page("users")
    until(qtbot, lambda: len(users.table.rows) == 2 and users.roles)
    users.new.click()
    form: Any = QApplication.activeModalWidget()
    form.username.setText("carla")
    form.password.setText("long enough 1")
    form.save.click()
    until(qtbot, lambda: len(users.table.rows) == 3)
    assert users.table.rows[2].cells[4].text == "New, waits for the server"
    administration.open_tab("pending")
    pending: Any = administration.page("pending")
    until(qtbot, lambda: [row.cells[0].text for row in pending.table.rows] == ["User carla"])
    administration.close()

    settings: Any = window.open_settings()
    until(qtbot, lambda: settings.contents.face == "content")
    settings.lines["telemetry.interval_ms"]._control.setText("250")
    settings.save.click()
    until(qtbot, lambda: settings.lines["telemetry.interval_ms"].origin.text().startswith("set for this desktop"))
    settings.close()
    logs: Any = window.open_logs()
    until(qtbot, lambda: logs.log.table.rows)
    logs.close()
    records: Any = window.open_records()
    until(qtbot, lambda: records.quarantine.contents.face == "empty" and records.losses.contents.face == "empty")
    records.close()

    assert bridge.status is not None
    killed = bridge.status.pid
    os.kill(killed, signal.SIGKILL)
    until(qtbot, lambda: bridge.link.phase is LinkPhase.LOST and "ended with code -9" in window.agent_note.text)
    until(qtbot, lambda: bridge.link.phase is LinkPhase.CONNECTED and bridge.status and bridge.status.pid != killed)
    until(qtbot, lambda: "The agent runs again" in window.agent_note.text)
    assert "Sign in again" in page.note.text
    assert bridge.status.backlog.readings >= first
    watchdog.stop()
    assert watchdog.turns > 100
    watchdog.check()


def test_the_self_test_passes_and_the_agent_outlives_the_window(data: Path) -> None:
    environment = {
        **os.environ,
        "PULSE_DESKTOP_AGENT": f"{sys.executable} -m pulse_agent",
        "PULSE_AGENT_SOURCES": "simulated",
    }
    command = [sys.executable, "-m", "pulse_desktop", "--self-test", "--data", str(data)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert (found["ok"], found["phase"], found["mode"]) == (True, "connected", "unenrolled")
    os.kill(found["agent_pid"], 0)
    os.kill(found["agent_pid"], signal.SIGTERM)
    deadline = time.monotonic() + 60
    with suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.kill(found["agent_pid"], 0)
            time.sleep(0.05)
