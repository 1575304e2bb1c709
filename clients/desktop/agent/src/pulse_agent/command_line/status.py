"""`pulse-agent status`: how the agent of a folder is doing, running or not, as a table or JSON."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pulse_agent.command_line.run import lock_path
from pulse_agent.command_line.state_file import STATE_FILE, read_state
from pulse_agent.configuration.device import NotEnrolledError, load_device
from pulse_agent.configuration.server_keys import load_server_keys
from pulse_agent.domain.connection import ConnectionState
from pulse_agent.outbox.inspection import OutboxUnreadableError, summarise
from pulse_agent.outbox.lock import is_locked
from pulse_agent.replica.database import REPLICA_FILE
from pulse_agent.replica.status import status_of_file
from pulse_agent.settings import OUTBOX_FILE

if TYPE_CHECKING:
    from rich.table import Table


def collect_status(data: Path) -> dict[str, Any]:
    """Return everything known of the agent in `data`, as plain values."""
    status: dict[str, Any] = {"data": str(data), "running": is_locked(lock_path(data)), "device": None, "outbox": None}
    try:
        device = load_device(data)
        status["device"] = {"id": device.device_id, "name": device.name, "key_in": device.key_store}
        status["sync"] = _sync(data, has_keys=device.password_key is not None)
    except NotEnrolledError as error:
        status["note"] = str(error)
    state = read_state(data / STATE_FILE) if status["running"] else None
    status["state"] = (state or {}).get("state", ConnectionState.DISCONNECTED.value)
    status["delivery"] = state
    try:
        summary = summarise(data / OUTBOX_FILE)
    except OutboxUnreadableError as error:
        status["outbox_note"] = str(error)
        return status
    status["outbox"] = {
        "buffered": summary.rows,
        "bytes": summary.used_bytes,
        "oldest": _moment(summary.oldest_recorded_at_us),
        "next_sequence": summary.next_sequence,
        "epoch": summary.epoch,
        "losses_to_declare": summary.lost_rows,
        "quarantined": summary.quarantined,
        "recovery": summary.recovery,
        "latest": summary.latest,
    }
    return status


def _sync(data: Path, *, has_keys: bool) -> dict[str, Any]:
    """Return how sync stands: a note in words, or figures."""
    if not has_keys:
        return {"note": "this device enrolled without keys for sync: enrol it again to take part"}
    missing = load_server_keys(data).missing
    found = status_of_file(data / REPLICA_FILE)
    if found is None:
        return {"note": "the keys of the server's sync were not fetched yet" if "sync" in missing else "never synced"}
    days = None if found.lease_until is None else (found.lease_until - time.time()) / 86_400
    return {
        "last_sync": _moment(None if found.last_sync_at_ms is None else found.last_sync_at_ms * 1000),
        "cursor": found.cursor,
        "behind": max(0, found.head - found.cursor),
        "pending": found.pending,
        "unread_notices": found.unread,
        "lease_days": None if days is None else round(max(0.0, days), 1),
        "error": found.error,
        "keys_missing": missing,
    }


def _add_sync(table: Table, sync: dict[str, Any]) -> None:
    if "note" in sync:
        table.add_row("Sync", sync["note"])
        return
    table.add_row("Last sync", (sync["last_sync"] or "none yet") + (f", {sync['error']}" if sync["error"] else ""))
    table.add_row("Changes to send", f"{sync['pending']:,}")
    if sync["unread_notices"]:
        table.add_row("Changes undone", f"{sync['unread_notices']:,} not read yet: pulse-agent sync notices")
    if sync["lease_days"] is not None:
        table.add_row("Sign-in without server", f"{sync['lease_days']} days left")
    if sync["keys_missing"]:
        table.add_row("Keys not fetched yet", ", ".join(sync["keys_missing"]))


def status_table(status: dict[str, Any]) -> Table:
    """Return the status for people."""
    from rich.table import Table

    table = Table(title=f"pulse-agent in {status['data']}", show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column()
    device = status["device"]
    table.add_row("Device", f"{device['name']} ({device['id']})" if device else status.get("note", "not enrolled"))
    table.add_row("State", status["state"] if status["running"] else "not running")
    if "sync" in status:
        _add_sync(table, status["sync"])
    outbox = status["outbox"]
    if outbox is None:
        table.add_row("Outbox", status.get("outbox_note", "none"))
        return table
    since = f", the oldest of {outbox['oldest']}" if outbox["oldest"] else ""
    table.add_row("Buffered", f"{outbox['buffered']:,} readings, {outbox['bytes'] / 1024:,.0f} KiB{since}")
    table.add_row("Next sequence", f"{outbox['next_sequence']:,} (epoch {outbox['epoch']})")
    table.add_row("Lost, to be declared", f"{outbox['losses_to_declare']:,}")
    table.add_row("Quarantined", f"{outbox['quarantined']:,}")
    recovery = outbox["recovery"]
    if recovery:
        table.add_row(
            "Damaged outbox",
            f"on {recovery['at']} ({recovery['detail']}): kept as {recovery['set_aside_as']}, "
            f"{recovery['salvaged']:,} readings saved, {recovery['declared_lost']:,} declared lost; others may be lost",
        )
    delivery = status["delivery"]
    if delivery:
        acked = _moment(int(delivery["last_ack_at"] * 1_000_000)) if delivery["last_ack_at"] else "none yet"
        table.add_row("Last ack", acked)
    if outbox["latest"]:
        table.add_row("Latest values", ", ".join(f"{key} {value}" for key, value in outbox["latest"].items()))
    return table


def _moment(microseconds: int | None) -> str | None:
    if microseconds is None:
        return None
    try:
        return datetime.fromtimestamp(microseconds / 1_000_000, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):  # a clock that was never set
        return f"{microseconds} µs"
