"""`python -m pulse_sync serve | migrate | openapi`."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from pulse_chassis.errors import UnavailableError
from pulse_chassis.logging import configure_logging
from pulse_chassis.run import run_process
from pulse_chassis.settings import SettingsError
from pulse_sync import app
from pulse_sync.settings import SyncSettings


def main() -> None:
    """Run what the command line asks for; `serve` when it asks for nothing."""
    parser = argparse.ArgumentParser(prog="pulse_sync", description=__doc__)
    parser.add_argument("command", nargs="?", default="serve", choices=["serve", "migrate", "openapi"])
    command = parser.parse_args().command
    if command == "openapi":
        sys.stdout.write(json.dumps(app.openapi(), indent=2, sort_keys=True) + "\n")
        return
    try:
        settings = SyncSettings()
        configure_logging(app.SERVICE, settings.log_level, settings.log_format)
        if command == "migrate":
            asyncio.run(app.migrate(settings))
            return
    except (SettingsError, UnavailableError) as error:
        sys.exit(f"pulse_sync: {error}")
    run_process(lambda: app.compose(settings), service=app.SERVICE)


if __name__ == "__main__":
    main()
