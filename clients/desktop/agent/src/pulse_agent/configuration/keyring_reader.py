"""Reads one secret from the keyring in a process of its own, whose libraries an agent need not carry: 4 MB.

The secret goes to the caller through a pipe, never by an argument or the environment.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

MODULE: Final = "pulse_agent.configuration.keyring_reader"
UNLOCK_SECONDS: Final = 120
"""A person may have to unlock it first."""


class KeyringUnavailableError(Exception):
    """There is no keyring that can be opened."""


def read_secret(service: str, entry: str) -> str | None:
    """Return a secret; None: there is none of that name. Raises KeyringUnavailableError."""
    if getattr(sys, "frozen", False):  # a packaged build has no interpreter to call
        return _read_here(service, entry)
    command = [sys.executable, "-m", MODULE, service, entry]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, timeout=UNLOCK_SECONDS, check=False)  # noqa: S603 # ours
        answer = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise KeyringUnavailableError(f"it gave no answer ({type(error).__name__})") from error
    if "error" in answer:
        raise KeyringUnavailableError(answer["error"])
    secret: str | None = answer["secret"]
    return secret


def _read_here(service: str, entry: str) -> str | None:
    import keyring
    from keyring.errors import KeyringError

    try:
        return keyring.get_password(service, entry)
    except (KeyringError, RuntimeError, OSError) as error:
        raise KeyringUnavailableError(str(error)) from error


def main() -> None:
    """Print what `read_secret` asked for, as JSON."""
    try:
        answer = {"secret": _read_here(*sys.argv[1:3])}
    except KeyringUnavailableError as error:
        answer = {"error": str(error)}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
