"""What the window's tests share: no screen, a scripted agent, and the program over it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pulse_contracts.local_status import Status
from pulse_desktop.link import scripted_world as world
from pulse_desktop.link.scripted_agent import Answers, ScriptedAgent

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
DEADLINE_MS = 60_000


@dataclass
class Shown:
    """The program with its first window, over an agent."""

    desktop: Any
    window: Any
    agent: Any
    bot: Any
    watchdog: Any

    def wait(self, condition: Callable[[], object]) -> None:
        """Let the program work until something holds."""
        self.bot.waitUntil(lambda: bool(condition()), timeout=DEADLINE_MS)

    def turn(self) -> None:
        """Let the program work off what was asked of it, as it can between two clicks of a person."""
        before = self.watchdog.turns
        self.wait(lambda: self.watchdog.turns > before + 1)

    def sign_in(self) -> None:
        """Sign ada in, through the page that asks for her."""
        self.wait(lambda: self.window.sign_in is not None and self.window.sign_in.isVisible())
        page = self.window.sign_in
        page.username.setText("ada")
        page.password.setText(world.PASSWORD)
        page.submit.click()
        self.wait(lambda: self.window.home is not None and self.window.home.isVisible())


Show = Callable[..., AbstractContextManager[Shown]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Measure again, in the tests of the window, where a turn was too long: see the watchdog."""
    from .integration.watchdog import RUNS_AGAIN, LongTurnError

    here = Path(__file__).parent
    again = pytest.mark.flaky(reruns=RUNS_AGAIN, only_rerun=f"^{LongTurnError.__name__}:")
    for item in items:
        if here in item.path.parents:
            item.add_marker(again)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "agent"


@pytest.fixture
def show(qtbot: Any, qapp: Any, data: Path) -> Iterator[Show]:
    """Open the program over a scripted agent; it is closed afterwards, and must never have worked long without a pause."""
    from pulse_desktop.app import Desktop
    from pulse_desktop.options import Options
    from pulse_desktop.preferences import PreferencesFile
    from pulse_desktop.texts.language import Language

    from .integration.watchdog import Watchdog

    qapp.setQuitOnLastWindowClosed(False)

    @contextmanager
    def opened(status: Status | None = None, answers: Answers | None = None, *, is_in: bool = True) -> Iterator[Shown]:
        told = status if status is not None else world.status()
        PreferencesFile(data).change(language=Language.ENGLISH, metric="cpu_percent")
        with ScriptedAgent(data, told, answers if answers is not None else world.answers()) as agent:
            desktop = Desktop(qapp, Options(data, ()))
            desktop.context.now = lambda: world.NOW_MS / 1000
            desktop.context.has_tray = lambda: False
            desktop.start(Options(data, ()))
            watchdog = Watchdog()
            shown = Shown(desktop, desktop.windows[0], agent, qtbot, watchdog)
            try:
                shown.wait(lambda: desktop.bridge.status is not None)
                if is_in:
                    shown.sign_in()
                yield shown
                watchdog.check()
            finally:
                watchdog.stop()
                for widget in qapp.topLevelWidgets():
                    widget.close()
                desktop.stop()

    return opened


def params_of(agent: ScriptedAgent, method: str) -> list[Any]:
    """Return what a method was called with, oldest first."""
    return [params for name, params in agent.asked if name == method]
