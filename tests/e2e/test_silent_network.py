"""A network that swallows everything and tells nobody: no reset, no last will, only silence.

Both sides must have noticed within 10 s of it: the window by its agent's keep-alive, the dashboard by the server's rule for
silence. Real are the stack, the agent's and the window's processes, and the dashboard in Chromium.
"""

import asyncio
import json
import time

from pulse_simulator.real_window import RealWindow, real_window
from pulse_simulator.tcp_proxy import TcpProxy

from .remote_page import RemotePage, remote_page

WITHIN_SECONDS = 10
ROUNDS = 3
"""A machine that is busy with other tests may be late once, or twice; a rule that is too slow is so each time."""


async def fall_silent(web: RemotePage, window: RealWindow, proxy: TcpProxy) -> float:
    """Have the network swallow everything; return after how many seconds both sides say so, and mend it."""
    took: dict[str, float] = {}
    seeing = asyncio.create_task(web.see(css="h1", has="Offline"))
    cut_at = time.monotonic()
    proxy.cut()
    await window.until(lambda seen: seen["word"] == "Offline buffering", "the desktop says that it buffers")
    took["desktop"] = round(time.monotonic() - cut_at, 2)
    await seeing
    took["dashboard"] = round(time.monotonic() - cut_at, 2)
    print(json.dumps(took))
    proxy.restore()
    await web.see(css="h1", has="Online")
    await window.until(lambda seen: seen["word"] == "Online", "the desktop is online again")
    return max(took.values())


async def test_silence_is_shown_on_both_sides_within_ten_seconds(stack, enrol) -> None:
    account = stack.description["admin"]
    async with stack.admin() as http, remote_page(stack.url) as web:
        agent = await enrol(stack, http, f"silent-{time.time_ns():x}", is_cuttable=True)
        agent.options = ["--source", "simulated"]
        agent.start()
        async with real_window(agent.data) as window:
            await web.do("sign_in", username=account["username"], password=account["password"])
            await web.do("go", path=f"/devices/{agent.device_id}")
            await web.see(css="h1", has="Online")
            await window.until(lambda seen: seen["word"] == "Online", "the desktop is online")
            took = []
            while len(took) < ROUNDS and not (took and took[-1] <= WITHIN_SECONDS):
                took.append(await fall_silent(web, window, agent.proxy))
            assert min(took) <= WITHIN_SECONDS, took
