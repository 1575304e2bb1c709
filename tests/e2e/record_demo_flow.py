"""Records the demo flow into docs/screens/demo-flow.webm: `make recording`. Not a test, though it fails where the flow does.

The stack, the agent, the window and the dashboard are those of the demo flow's test, and so are its steps; between them there
is time to look.
"""

import asyncio
import json
import os
from pathlib import Path

from .film import SCALE, VIEW, Film
from .remote_page import SCRIPT, remote_page
from .test_demo_flow import (
    LINES,
    PROGRAMS,
    complete,
    cut_off,
    drained,
    hand_in,
    person,
    program,
    signed_in_on_both,
    until,
)

os.environ["QT_SCALE_FACTOR"] = str(SCALE)
os.environ["PULSE_VISITOR"] = json.dumps({"width": VIEW, "height": VIEW, "scale": SCALE})

SCREENS = Path(__file__).parents[2] / "docs" / "screens"
VIDEO, POSTER = SCREENS / "demo-flow.webm", SCREENS / "demo-flow.png"
LONGEST_SECONDS, MOST_BYTES = 90, 4_000_000
DEVICE, ADA = "press-4", "ada"
MORE = 5
"""How often other programs hand in their lines once more, so that counting up and catching up can be watched."""

__all__ = ["program"]


async def test_record(stack, enrol, eventually, program, tmp_path) -> None:
    film = Film(tmp_path / "film")
    async with stack.admin() as http, remote_page(stack.url, ("node", str(SCRIPT))) as web:
        agent = await enrol(stack, http, DEVICE, is_cuttable=True)
        await person(stack, http, ADA, "admin", DEVICE)
        agent.options = ["--source", "simulated", "--source", "lines:socket=lines.sock"]
        agent.start()
        window = program(agent.data).windows[0]
        window.resize(VIEW, VIEW)
        bridge = window._context.bridge
        await until(lambda: bridge.status is not None and bridge.status.sync.last_sync_ms, "people are synced")
        await web.do("open", path="/")
        taking = asyncio.create_task(film.take(window))
        await web.do("film", folder=str(film.web))
        with film.scene("One person signs in twice: at the dashboard and at the desktop program."):
            await asyncio.sleep(3)
            await signed_in_on_both(web, window, ADA, DEVICE)
        with film.scene("Live: each value is on the dashboard as soon as it is measured."):
            await web.do("choose", where={"label": "Chart"}, value="temperature")
            await web.do("choose", where={"label": "Time span"}, value="1")
            await asyncio.sleep(11)
        with film.scene(
            "The network is cut. The desktop keeps every reading on its disk; the dashboard says offline.",
            is_poster=True,
        ):
            await asyncio.sleep(1)
            await cut_off(web, window, agent, {})
            await others_go_on(agent)
            await asyncio.sleep(3)
        with film.scene("The network is back. What waited goes out, oldest first, beside the live values."):
            await drained(window, agent, {}, waiting=LINES * (1 + MORE))
            await asyncio.sleep(4)
        with film.scene("Nothing waits any more, and the server has every single reading: 100 % complete."):
            await complete(stack, web, eventually, DEVICE)
            await web.do("show", where={"text": "100% complete"})
            await asyncio.sleep(8)
        await web.do("go", path="/alerts")
        with film.scene("A rule: temperature above a limit. The alarm is on the screen as soon as it is true."):
            await asyncio.sleep(2)
            await raise_an_alarm(http)
            await web.see(text=f"{DEVICE}: temperature is")
            await asyncio.sleep(9)
        taking.cancel()
        await taking
    await asyncio.to_thread(film.write, VIDEO, POSTER)
    print(f"{film.seconds:.0f} s, {VIDEO.stat().st_size / 1e6:.1f} MB")
    assert film.seconds < LONGEST_SECONDS
    assert VIDEO.stat().st_size < MOST_BYTES


async def others_go_on(agent) -> None:
    socket = str(agent.data / "lines.sock")
    for _ in range(MORE):
        await asyncio.gather(*(hand_in(socket, first) for first in range(PROGRAMS)))


async def raise_an_alarm(http) -> None:
    """Make a rule that the temperature of now breaks."""
    newest = (await http.get("/api/telemetry/latest", params={"device_ids": DEVICE})).json()["items"]
    temperature = next(item["value"] for item in newest if item["metric"] == "temperature")
    made = await http.post(
        "/api/alert-rules",
        json={
            "name": "Too warm",
            "metric": "temperature",
            "device_ids": [DEVICE],
            "severity": "critical",
            "unit": "°C",
            "condition": {"kind": "threshold", "test": {"operator": ">", "value": int(temperature) - 3}},
            "message": "{device_name}: {metric} is {value} {unit}",
        },
    )
    assert made.status_code == 201, made.text
