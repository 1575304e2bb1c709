"""One command of identity, run beside the stack by its operator: as a process of its own, with the stack's secrets."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

from pulse_local.stack_file import StackFile
from pulse_local.stack_secrets import StackSecrets

_ROLE = "pulse_identity"


def run_identity(
    stack: StackFile,
    secrets: StackSecrets,
    arguments: Sequence[str],
    *,
    seconds: float,
    given: str = "",
) -> subprocess.CompletedProcess[str]:
    """Run `python -m pulse_identity …` to its end; raises TimeoutExpired. Secrets go by environment, never as arguments."""
    url = urlsplit(stack.database_url)
    place = url.netloc.rpartition("@")[2]
    database = urlunsplit(url._replace(netloc=f"{_ROLE}:{secrets.database_passwords[_ROLE]}@{place}"))
    environment = {
        **os.environ,
        "PULSE_DATABASE_URL": database,
        "PULSE_REDIS_URL": stack.redis_url,
        "PULSE_IDENTITY_SECRET": secrets.identity_secret,
        "PULSE_IDENTITY_BROKER_ADMIN_PASSWORD": secrets.broker_identity_password,
        "PULSE_LOG_LEVEL": "ERROR",
    }
    return subprocess.run(  # noqa: S603 -- our own module
        [sys.executable, "-m", "pulse_identity", *arguments],
        env=environment,
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )


def last_words(done: subprocess.CompletedProcess[str]) -> str:
    """Return why identity did not do it."""
    reason = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
    return reason[0].removeprefix("pulse_identity: ")
