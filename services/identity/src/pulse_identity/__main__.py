"""`python -m pulse_identity serve | migrate | openapi | rotate-keys | reset-password USERNAME | audit verify`."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from pulse_chassis.errors import PulseError
from pulse_chassis.logging import configure_logging
from pulse_chassis.run import run_process
from pulse_chassis.settings import SettingsError
from pulse_identity import app
from pulse_identity.domain.audit_chain import Link
from pulse_identity.settings import IdentitySettings


def main() -> None:
    """Run what the command line asks for; `serve` when it asks for nothing."""
    asked = _parser().parse_args()
    command = asked.command or "serve"
    if command == "openapi":
        sys.stdout.write(json.dumps(app.document(), indent=2, sort_keys=True) + "\n")
        return
    try:
        settings = IdentitySettings()
        configure_logging(app.SERVICE, settings.log_level, settings.log_format)
        if command != "serve":
            asyncio.run(_operate(settings, command, asked))
            return
    except (SettingsError, PulseError) as error:
        sys.exit(f"pulse_identity: {error}")
    run_process(lambda: app.compose(settings), service=app.SERVICE)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pulse_identity", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("serve", help="run the service (the default)")
    commands.add_parser("migrate", help="bring the schema to the newest revision")
    commands.add_parser("openapi", help="print the OpenAPI document")
    commands.add_parser("rotate-keys", help="publish the next signing key now; it signs ten minutes later")
    reset = commands.add_parser("reset-password", help="give a user a new password and end all sessions of theirs")
    reset.add_argument("username")
    reset.add_argument("--stdin", action="store_true", help="read the password from standard input; else one is made")
    reset.add_argument("--activate", action="store_true", help="let a disabled user in again")
    audit = commands.add_parser("audit", help="the audit log").add_subparsers(dest="audit_command", required=True)
    verify = audit.add_parser("verify", help="check every row and signature; exit 1 names the first row at fault")
    verify.add_argument("--known", metavar="ROW:DIGEST", help="what an earlier verification printed last")
    return parser


async def _operate(settings: IdentitySettings, command: str, asked: argparse.Namespace) -> None:
    if command == "migrate":
        await app.migrate(settings)
    elif command == "rotate-keys":
        signs_from = await app.rotate_keys(settings)
        sys.stdout.write(
            f"signs from {signs_from.isoformat()}\n" if signs_from else "a next key is published already\n"
        )
    elif command == "reset-password":
        # Not as an argument: those are visible to everyone on the machine.
        given = sys.stdin.readline().rstrip("\r\n") if asked.stdin else None
        if given == "":
            sys.exit("pulse_identity: there is no password on standard input")
        made = await app.reset_password(settings, asked.username, given, activates=asked.activate)
        if given is None:
            sys.stdout.write(f"{made}\n")
    elif command == "audit":
        await _verify_audit(settings, asked.known)


async def _verify_audit(settings: IdentitySettings, known: str | None) -> None:
    row, _, digest = (known or "").partition(":")
    try:
        link = None if known is None else Link(int(row), bytes.fromhex(digest))
    except ValueError:
        sys.exit("pulse_identity: --known is a row number, a colon and 64 hexadecimal digits")
    verdict = await app.verify_audit(settings, link)
    if verdict.fault is not None:
        sys.exit(f"row {verdict.fault.seq}: {verdict.fault.kind}: {verdict.fault.detail}")
    sys.stdout.write(
        f"{verdict.rows} rows and {verdict.checkpoints} checkpoints are as they were written\n"
        f"{verdict.rows}:{verdict.digest.hex()}\n"
    )


if __name__ == "__main__":
    main()
