"""`python -m pulse_identity serve | migrate | openapi`."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from pulse_chassis.errors import UnavailableError
from pulse_chassis.run import run_process
from pulse_chassis.settings import SettingsError
from pulse_identity import app
from pulse_identity.settings import IdentitySettings


def main() -> None:
    """Run what the command line asks for; `serve` when it asks for nothing."""
    parser = argparse.ArgumentParser(prog="pulse_identity", description=__doc__)
    parser.add_argument("command", nargs="?", default="serve", choices=["serve", "migrate", "openapi"])
    command = parser.parse_args().command
    if command == "openapi":
        sys.stdout.write(json.dumps(app.document(), indent=2, sort_keys=True) + "\n")
        return
    try:
        settings = IdentitySettings()
        if command == "migrate":
            asyncio.run(app.migrate(settings))
            return
    except (SettingsError, UnavailableError) as error:
        sys.exit(f"pulse_identity: {error}")
    run_process(lambda: app.compose(settings), service=app.SERVICE)


if __name__ == "__main__":
    main()
