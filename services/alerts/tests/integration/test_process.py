"""The service as a process: it stops when it is asked to, and says what it lacks."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys


async def test_asked_to_stop_it_settles_and_exits_with_0(world) -> None:
    with world.process() as serving:
        await world.ready()
        serving.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(serving.wait, 60) == 0


async def test_without_a_usable_key_it_says_so_and_does_not_start(world) -> None:
    environment = {
        **os.environ,
        **world.environment(PULSE_ALERTS_SEAL_KEY="c2VjcmV0", PULSE_ALERTS_WEBHOOK_NETWORKS=""),
    }
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "pulse_alerts", "serve"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "PULSE_ALERTS_SEAL_KEY" in done.stderr
    assert "c2VjcmV0" not in done.stderr + done.stdout
