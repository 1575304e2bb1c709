"""What is on its way in Redis streams: entries that a consumer group has not acknowledged yet, and nobody else has.

Readings, states and configuration are in PostgreSQL before they are in a stream, so a stream need not be backed up. An
audit event is different: its outbox row goes when the stream has it, and its row of the log comes a moment later.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import redis

from pulse_contracts.streams import ENTRY_FIELD, STREAM_MAXLEN, epoch_key

_AT_ONCE: Final = 1_000
_FIELD: Final = ENTRY_FIELD.encode()


def positions(client: redis.Redis) -> dict[str, str]:
    """Return, for each stream that groups read, the id after which not every group has acknowledged everything."""
    found: dict[str, str] = {}
    for name in STREAM_MAXLEN:
        if client.exists(name):
            groups: Any = client.xinfo_groups(name)
            ends = [_acknowledged(client, name, group) for group in groups]
            if ends:
                found[name] = min(ends, key=_place)
    return found


def _acknowledged(client: redis.Redis, name: str, group: Mapping[str, Any]) -> str:
    delivered = _text(group["last-delivered-id"])
    pending: Any = client.xpending_range(name, group["name"], min="-", max="+", count=1)
    return delivered if not pending else min(delivered, _before(_text(pending[0]["message_id"])), key=_place)


def save(client: redis.Redis, after: Mapping[str, str], path: Path) -> int:
    """Write the entries behind these positions, a JSON array of stream and payload a line; return how many."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for name, position in after.items():
            for payload in _entries(client, name, position):
                file.write(json.dumps([name, payload.decode()]) + "\n")
                count += 1
    return count


def _entries(client: redis.Redis, name: str, after: str) -> Iterator[bytes]:
    while True:
        found: Any = client.xrange(name, min=f"({after}", max="+", count=_AT_ONCE)
        for _, fields in found:
            yield fields[_FIELD]
        if len(found) < _AT_ONCE:
            return
        after = _text(found[-1][0])


def load(client: redis.Redis, path: Path, epoch: str) -> int:
    """Append what was saved to the streams of an empty Redis; return how many. Readers dedupe what they know."""
    count = 0
    with path.open(encoding="utf-8") as file:
        for line in file:
            name, payload = json.loads(line)
            client.set(epoch_key(name), epoch, nx=True)
            client.xadd(name, {ENTRY_FIELD: payload})
            count += 1
    return count


def _place(entry_id: str) -> tuple[int, int]:
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number or 0)


def _before(entry_id: str) -> str:
    milliseconds, number = _place(entry_id)
    return f"{milliseconds}-{number - 1}" if number else f"{milliseconds - 1}-{2**64 - 1}"


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
