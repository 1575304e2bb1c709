"""The supervisor as a process of its own, as `pulse up --detach` starts it. Its output is `logs/supervisor.log`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from pulse_local.errors import StackError
from pulse_local.services import SERVICES, Profile, Service
from pulse_local.stack_ports import WantedPorts
from pulse_local.supervisor.signals import run_until_signal
from pulse_local.supervisor.supervisor import StackOptions, Supervisor


def main(arguments: list[str], services: Sequence[Service] = SERVICES) -> int:
    """Run a stack in this process until a signal; returns the exit code."""
    parser = argparse.ArgumentParser(prog="pulse_local.supervisor")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", type=int)
    parser.add_argument("--mqtt-port", type=int)
    parser.add_argument("--profile", type=Profile, default=Profile.SECURE)
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    ports = WantedPorts(gateway=given.port, mqtt=given.mqtt_port)
    options = StackOptions(given.data, ports, given.profile, services)
    try:
        asyncio.run(run_until_signal(Supervisor(options)))
    except StackError as error:
        logging.getLogger(__name__).error("stack_failed code=%s message=%s", error.code, error.message)
        return int(error.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
