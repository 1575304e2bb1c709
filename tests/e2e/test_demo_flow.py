"""What the product is shown with, end to end: the web beside a desktop window, the network cut and mended.

Real are the stack, the agent's process behind a TCP proxy, the window (without a screen) and the dashboard in Chromium.
The cut resets the connection, as a router does that goes down: the broker notices and publishes the agent's last will.
"""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest

from pulse_simulator.tcp_proxy import Direction

from .remote_page import RemotePage, remote_page

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

PASSWORD = "seven quiet lanterns 41"
LINES, PROGRAMS = 3_000, 30
"""Readings that other programs hand in during the cut, so that catching up takes a while."""
HELD_AFTER_BYTES = 100_000
OFFLINE_WITHIN_SECONDS = 10
RHYTHM_MS = 200
SEEN_SECONDS = 0.8
"""A window is told of new values twice a second at most, so that nothing faster is seen in it."""
DIALOG = {"role": "dialog"}


@pytest.fixture
async def program(qtbot: Any, qapp: Any) -> AsyncIterator[Callable[..., Any]]:
    """Opens the desktop program over an agent's folder; Qt has its turns between those of the test."""
    from pulse_desktop.app import Desktop
    from pulse_desktop.options import Options
    from pulse_desktop.preferences import PreferencesFile
    from pulse_desktop.texts.language import Language

    qapp.setQuitOnLastWindowClosed(False)
    opened: list[Any] = []

    async def turn() -> None:
        while True:
            qapp.processEvents()
            await asyncio.sleep(0.01)

    def open_it(data: Any) -> Any:
        PreferencesFile(data).change(language=Language.ENGLISH, metric="temperature")
        desktop = Desktop(qapp, Options(data, ()))
        desktop.context.has_tray = lambda: False
        desktop.start(Options(data, ()))
        opened.append(desktop)
        return desktop

    turning = asyncio.create_task(turn())
    yield open_it
    turning.cancel()
    with suppress(asyncio.CancelledError):
        await turning
    for widget in qapp.topLevelWidgets():
        widget.close()
    for desktop in opened:
        desktop.stop()


async def until(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"did not happen within {seconds} s: {what}"
        await asyncio.sleep(0.005)


def count(window: Any) -> int:
    """The readings that wait, as the window shows them."""
    return int(window.home.backlog.count.text().replace(",", ""))


async def sign_in(window: Any, name: str) -> None:
    await until(lambda: window.sign_in is not None and window.sign_in.isVisible(), "the desktop asks who it is")
    page = window.sign_in
    page.username.setText(name)
    page.password.setText(PASSWORD)
    page.submit.click()
    await until(lambda: page.note.text or (window.home is not None and window.home.isVisible()), "an answer")
    assert page.note.text == ""
    await until(window.home.isVisible, "the desktop's main page")


async def hand_in(socket: str, first: int) -> None:
    """Hand in a program's share of the lines; each is on the disk when it is answered."""
    reader, writer = await asyncio.open_unix_connection(socket)
    for n in range(first, LINES, PROGRAMS):
        writer.write(
            json.dumps({"n": n, "note": f"piece {n:06d} of the shift that nobody was connected in"}).encode() + b"\n"
        )
        assert await reader.readline() == b"ok\n"
    writer.close()


async def person(stack: Any, http: Any, name: str, role: str, device: str) -> dict[str, Any]:
    made = await http.post("/api/users", json={"username": name, "password": PASSWORD, "roles": [role]})
    assert made.status_code == 201, made.text
    shared = await http.post(f"/api/devices/{device}/shares", json={"user": name, "level": "control"})
    assert shared.status_code == 201, shared.text
    return dict(made.json())


async def test_the_demo_flow(stack, enrol, eventually, program) -> None:
    run = f"{time.time_ns():x}"[-8:]
    device, ada, carla = f"demo-{run}", f"ada-{run}", f"carla-{run}"
    took: dict[str, float] = {}
    began = time.monotonic()

    def lap(name: str) -> None:
        nonlocal began
        took[name] = round(time.monotonic() - began, 2)
        began = time.monotonic()

    async with stack.admin() as http, remote_page(stack.url) as web:
        agent = await enrol(stack, http, device, is_cuttable=True)
        await person(stack, http, ada, "admin", device)
        await person(stack, http, carla, "viewer", device)
        agent.options = ["--source", "simulated", "--source", "lines:socket=lines.sock"]
        agent.start()
        window = program(agent.data).windows[0]
        bridge = window._context.bridge
        await until(lambda: bridge.status is not None and bridge.status.sync.last_sync_ms, "people are synced")
        lap("ready")
        await signed_in_on_both(web, window, ada, device)
        lap("signed in, telemetry on both")
        await cut_off(web, window, agent, took)
        lap("cut, buffering, offline")
        window.sign_out()
        await sign_in(window, ada)
        assert window.account.toolTip().startswith("Signed in offline. You may work here without the server until")
        lap("signed in offline")
        await drained(window, agent, took)
        lap("drained")
        await complete(stack, web, eventually, device)
        lap("complete")
        await interval_changed_on_the_web(web, window, device)
        lap("interval")
        await user_edited_on_the_desktop(web, window, carla)
        lap("user")
        await sync_forced_from_the_web(web, window, device)
        lap("forced sync")
    print(json.dumps(took))


async def signed_in_on_both(web: RemotePage, window: Any, name: str, device: str) -> None:
    await web.do("sign_in", username=name, password=PASSWORD)
    await sign_in(window, name)
    assert window.account.toolTip().startswith("Signed in, server reached")
    await until(lambda: window.home.connection.badge.text == "Online", "the desktop is online")
    await until(lambda: window.home.value.contents.face == "content", "the desktop shows a value")
    await web.do("go", path=f"/devices/{device}")
    await web.see(css="[data-freshness=fresh]")
    await web.see(text="Online", within={"role": "heading", "name": f"{device} Online"})


async def cut_off(web: RemotePage, window: Any, agent: Any, took: dict[str, float]) -> None:
    seeing = asyncio.create_task(web.see(css="h1", has="Offline"))
    cut_at = time.monotonic()
    await agent.proxy.refuse()
    await until(lambda: window.home.connection.badge.text == "Offline buffering", "the desktop says that it buffers")
    took["  desktop says buffering"] = round(time.monotonic() - cut_at, 2)
    await seeing
    seconds = time.monotonic() - cut_at
    took["  dashboard says offline"] = round(seconds, 2)
    assert seconds <= OFFLINE_WITHIN_SECONDS
    before = count(window)
    await until(lambda: count(window) > before, "the desktop counts up")
    socket = str(agent.data / "lines.sock")
    await asyncio.gather(*(hand_in(socket, first) for first in range(PROGRAMS)))
    await until(lambda: count(window) >= LINES, "what others handed in is counted")


async def drained(window: Any, agent: Any, took: dict[str, float], waiting: int = LINES) -> None:
    """Mend the network, hold what goes up in the midst of it until it was looked at, and let go."""
    card = window.home.backlog
    before = agent.proxy.bytes_passed[Direction.UP]
    await agent.proxy.accept()
    mended_at = time.monotonic()
    await until(lambda: agent.proxy.bytes_passed[Direction.UP] - before > HELD_AFTER_BYTES, "the backlog goes up")
    agent.proxy.cut(Direction.UP)
    took["  reconnected"] = round(time.monotonic() - mended_at, 2)
    await until(lambda: window.home.connection.badge.text == "Draining", "the desktop says that it drains")
    await until(lambda: card.words.isVisible() and 0 < card.progress.value() < 1000, "progress is shown")
    assert 0 < count(window) < waiting
    assert "left" in card.words.text()
    took["  percent shown"] = card.progress.value() / 10
    agent.proxy.restore()
    await until(lambda: count(window) == 0, "the count is 0")
    await until(lambda: window.home.connection.badge.text == "Online", "the desktop is online again")
    took["  count to 0 after mending"] = round(time.monotonic() - mended_at, 2)
    assert not card.words.isVisible()


async def complete(stack: Any, web: RemotePage, eventually: Any, device: str) -> None:
    async def is_whole() -> bool:
        rows = await stack.fetch(
            "select is_complete, missing, lost, received from telemetry.completeness where client_id = $1", device
        )
        return (
            bool(rows)
            and all(row["is_complete"] and row["missing"] == row["lost"] == 0 for row in rows)
            and (sum(row["received"] for row in rows) > LINES)
        )

    await eventually(is_whole, what="the server has every reading")
    sql = "select count(distinct metric_value) as n from telemetry_data where client_id = $1 and metric_key = 'n'"
    assert (await stack.fetch(sql, device))[0]["n"] == LINES
    await web.see(css="h1", has="Online")
    await web.see(text="100% complete")


async def interval_changed_on_the_web(web: RemotePage, window: Any, device: str) -> None:

    def rhythm() -> float:
        return window.home._series["temperature"].interval() or 0.0

    await until(lambda: rhythm() > SEEN_SECONDS, "the desktop measures once a second")
    await web.do("go", path="/config")
    await web.press("Add an entry")
    for label, value in (("For", "device"), ("Device", device), ("Key", "telemetry.interval_ms")):
        await web.do("choose", where={"label": label, "within": DIALOG}, value=value)
    await web.do("fill", where={"css": "input:not([type=hidden])", "within": DIALOG}, value=str(RHYTHM_MS))
    await web.press("Save", **DIALOG)
    await until(lambda: 0 < rhythm() < SEEN_SECONDS, "the desktop measures faster")
    settings = window.open_settings()
    await until(lambda: settings.contents.face == "content", "the desktop's settings")
    line = settings.lines["telemetry.interval_ms"]
    assert line.text == str(RHYTHM_MS)
    assert line.origin.text().startswith("set for this desktop")
    settings.close()


async def user_edited_on_the_desktop(web: RemotePage, window: Any, name: str) -> None:
    from PySide6.QtWidgets import QApplication

    await web.do("go", path=f"/users?q={name}")
    await web.see(role="row", has=name)
    administration = window.open_administration()
    administration.open_tab("users")
    users = administration.page("users")
    await until(lambda: any(row.item.username == name for row in users.table.rows), "the desktop lists the user")
    (row,) = (row for row in users.table.rows if row.item.username == name)
    users.table.choose(row.key)
    users.edit_one.click()
    await until(lambda: QApplication.activeModalWidget() is not None, "the user's form")
    form: Any = QApplication.activeModalWidget()
    form.email.setText(f"{name}@example.org")
    form.save.click()
    await web.see(role="row", has=f"{name}@example.org")
    administration.close()


async def sync_forced_from_the_web(web: RemotePage, window: Any, device: str) -> None:
    bridge = window._context.bridge
    before = bridge.status.sync.last_sync_ms
    await web.do("go", path=f"/commands?device={device}")
    await web.press("Send a command")
    await web.do("check", where={"role": "checkbox", "name": device, "within": DIALOG})
    await web.do("choose", where={"label": "What", "within": DIALOG}, value="FORCE_SYNC")
    await web.press("Send to 1 device", **DIALOG)
    await web.see(text="Succeeded", within={"role": "row", "has": device})
    await until(lambda: bridge.status.sync.last_sync_ms > before, "the desktop's last sync moves")
