"""`python -m pulse_gateway serve | migrate | openapi | asyncapi [--check]`."""

from __future__ import annotations

import argparse
import json
import sys

from pulse_gateway.http.asyncapi import COMMITTED, asyncapi_text


def main() -> int:
    """Run a command; return the exit code."""
    parser = argparse.ArgumentParser(prog="pulse_gateway", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="run the service (default)")
    commands.add_parser("migrate", help="bring the schema up to date")
    commands.add_parser("openapi", help="print the OpenAPI document")
    asyncapi = commands.add_parser("asyncapi", help="write services/gateway/asyncapi.json")
    asyncapi.add_argument("--check", action="store_true", help="write nothing; exit 1 when the file differs")
    given = parser.parse_args()
    if given.command == "migrate":
        return _migrate()
    if given.command == "openapi":
        from pulse_gateway.app import openapi_app

        print(json.dumps(openapi_app().openapi(), indent=2, sort_keys=True))
        return 0
    if given.command == "asyncapi":
        return _asyncapi(is_check=given.check)
    _serve()
    return 0


def _asyncapi(*, is_check: bool) -> int:
    wanted = asyncapi_text()
    if not is_check:
        COMMITTED.write_text(wanted, encoding="utf-8")
        return 0
    found = COMMITTED.read_text(encoding="utf-8") if COMMITTED.is_file() else ""
    if found == wanted:
        return 0
    print("services/gateway/asyncapi.json differs from the code: run `make generate`", file=sys.stderr)
    return 1


def _migrate() -> int:
    import asyncio

    from pulse_chassis.errors import UnavailableError
    from pulse_chassis.logging import configure_logging
    from pulse_chassis.settings import SettingsError
    from pulse_gateway.app import SERVICE, migrate
    from pulse_gateway.settings import GatewaySettings

    try:
        settings = GatewaySettings()
        configure_logging(SERVICE, settings.log_level, settings.log_format)
        asyncio.run(migrate(settings))
    except (SettingsError, UnavailableError) as error:
        sys.exit(f"pulse_gateway: {error}")
    return 0


def _serve() -> None:
    from pulse_chassis.run import run_process
    from pulse_gateway.app import SERVICE, compose

    run_process(compose, service=SERVICE)


if __name__ == "__main__":
    sys.exit(main())
