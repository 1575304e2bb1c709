"""`python -m pulse_alerts serve | migrate | openapi`."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from pulse_alerts import app
from pulse_alerts.settings import AlertsSettings
from pulse_chassis.errors import UnavailableError
from pulse_chassis.logging import configure_logging
from pulse_chassis.run import run_process
from pulse_chassis.settings import SettingsError


def main() -> None:
    """Run what the command line asks for; `serve` when it asks for nothing."""
    parser = argparse.ArgumentParser(prog="pulse_alerts", description=__doc__)
    parser.add_argument("action", nargs="?", default="serve", choices=["serve", "migrate", "openapi"])
    action = parser.parse_args().action
    if action == "openapi":
        sys.stdout.write(json.dumps(app.openapi(), indent=2, sort_keys=True) + "\n")
        return
    try:
        settings = AlertsSettings()
        configure_logging(app.SERVICE, settings.log_level, settings.log_format)
        if action == "migrate":
            asyncio.run(app.migrate(settings))
            return
    except (SettingsError, UnavailableError) as error:
        sys.exit(f"pulse_alerts: {error}")
    run_process(lambda: app.compose(settings), service=app.SERVICE)


if __name__ == "__main__":
    main()
