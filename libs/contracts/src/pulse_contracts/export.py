"""Write the contracts as JSON Schemas, or check that the committed ones are what the code says.

`python -m pulse_contracts.export` writes `libs/contracts/schemas/*.json`; with `--check` it writes nothing, names each
file that differs and exits 1.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter

from pulse_contracts import (
    acks,
    alerts,
    audit,
    commands,
    enrolment,
    frames,
    identity_sync,
    local_protocol,
    local_status,
    operations,
    presence,
    problem,
    releases,
    streams,
    sync,
    telemetry,
    tokens,
)

SCHEMAS_DIR: Final = Path(__file__).resolve().parents[2] / "schemas"

MODELS: Final[dict[str, type[BaseModel]]] = {
    "telemetry.desktop-reading": telemetry.DesktopReading,
    "telemetry.single-metric-reading": telemetry.SingleMetricReading,
    "telemetry.flat-reading": telemetry.FlatReading,
    "telemetry.app-reading": telemetry.AppReading,
    "telemetry.buffer-run": telemetry.BufferRun,
    "telemetry.loss-declaration": telemetry.LossDeclaration,
    "ack.ack": acks.Ack,
    "ack.welcome": acks.Welcome,
    "heartbeat.hello": presence.Hello,
    "heartbeat.heartbeat": presence.Heartbeat,
    "stream.telemetry-announced": streams.TelemetryAnnounced,
    "stream.device-changed": streams.DeviceChanged,
    "stream.access-changed": streams.AccessChanged,
    "stream.audit-event": audit.AuditEvent,
    "stream.audit-written": audit.AuditWritten,
    "stream.row-changed": streams.RowChanged,
    "stream.command-changed": streams.CommandChanged,
    "stream.alarm-changed": streams.AlarmChanged,
    "stream.desktop-sync-changed": streams.DesktopSyncChanged,
    "stream.config-changed": streams.ConfigChanged,
    "sync.poke": sync.Poke,
    "sync.push": sync.Push,
    "sync.lease": sync.Lease,
    "sync.service-keys": sync.ServiceKeys,
    "sync.operation": operations.Operation,
    "command.command": commands.Command,
    "alert.device-alerts": alerts.DeviceAlerts,
    "alert.webhook": alerts.AlertsWebhook,
    "internal.apply-request": identity_sync.ApplyRequest,
    "internal.apply-result": identity_sync.ApplyResult,
    "internal.restore-request": identity_sync.RestoreRequest,
    "internal.verifier-request": identity_sync.VerifierRequest,
    "internal.verifier-result": identity_sync.VerifierResult,
    "enrolment.request": enrolment.EnrolmentRequest,
    "enrolment.result": enrolment.EnrolmentResult,
    "http.problem": problem.Problem,
    "local.status": local_status.Status,
    "release.manifest": releases.ReleaseManifest,
    "token.access-claims": tokens.AccessClaims,
}
UNIONS: Final[dict[str, TypeAdapter[Any]]] = {
    "sync.plain-up": sync.PLAIN_UP,
    "sync.down": sync.DOWN,
    "command.report": commands.REPORT,
    "socket.client-frame": frames.CLIENT_FRAME,
    "socket.server-frame": frames.SERVER_FRAME,
    "local.window-frame": local_protocol.WINDOW_FRAME,
    "local.agent-frame": local_protocol.AGENT_FRAME,
}


def schemas() -> dict[str, str]:
    """Return file name → JSON Schema text, for every contract."""
    documents = {name: model.model_json_schema() for name, model in MODELS.items()}
    documents |= {name: union.json_schema() for name, union in UNIONS.items()}
    return {
        f"{name}.json": json.dumps(
            {"$schema": "https://json-schema.org/draft/2020-12/schema", **document}, indent=2, sort_keys=True
        )
        + "\n"
        for name, document in documents.items()
    }


def drift(directory: Path = SCHEMAS_DIR) -> list[str]:
    """Return the names of files that are missing, stale or left over."""
    wanted = schemas()
    found = {path.name: path.read_text(encoding="utf-8") for path in directory.glob("*.json")}
    return sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))


def main() -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file differs")
    if parser.parse_args().check:
        stale = drift()
        for name in stale:
            print(f"libs/contracts/schemas/{name} differs from the code: run `make generate`", file=sys.stderr)
        return 1 if stale else 0
    SCHEMAS_DIR.mkdir(exist_ok=True)
    wanted = schemas()
    for path in SCHEMAS_DIR.glob("*.json"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (SCHEMAS_DIR / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
