"""The service as a process: it stops when it is asked to, and says what it lacks."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys


async def test_asked_to_stop_it_settles_and_exits_with_0(world):
    user = await world.user()
    with world.process() as serving:
        await world.ready()
        peer = await world.peer(user)
        (command,) = await world.send(user, peer.device_id)
        await world.expect_state(command["id"], "succeeded")
        serving.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(serving.wait, 30) == 0


async def test_without_a_usable_key_it_says_so_and_does_not_start(world):
    environment = {**os.environ, **world.environment(PULSE_COMMANDS_SIGNING_KEY='{"kty": "oct", "k": "c2VjcmV0"}')}
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "pulse_commands", "serve"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "PULSE_COMMANDS_SIGNING_KEY" in done.stderr
    assert "c2VjcmV0" not in done.stderr + done.stdout
