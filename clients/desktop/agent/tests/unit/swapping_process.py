"""A real process that swaps snapshots of 2,000 rows, generation after generation, and says so after each."""

from __future__ import annotations

import sys
from pathlib import Path

from pulse_agent.replica.database import ReplicaDatabase
from pulse_agent.replica.staging import Staging, Walk
from pulse_contracts.operations import SyncedRow
from pulse_contracts.stamps import make_stamp
from pulse_contracts.sync import Page

ROWS = 2000

database = ReplicaDatabase(Path(sys.argv[1]))
staging = Staging(database)
for generation in range(1, 10_000):
    walk = Walk(mode="snapshot", since=0, revocation_no=0, renew_leases=False)
    rows = [
        SyncedRow(
            entity="config",
            id=f"device/D-1/custom.k{number}",
            version=generation,
            updated_at=make_stamp(generation),
            fields={"value": generation},
        )
        for number in range(ROWS)
    ]
    for start in range(0, ROWS, 500):
        page = Page(
            aud="D-1",
            topic="sync/D-1/down",
            iat=0,
            req="r",
            mode="snapshot",
            checkpoint=generation * ROWS,
            rows=rows[start : start + 500],
        )
        staging.stage(page, walk)
    with database.transaction() as connection:
        staging.swap(connection, walk)
        database.set_value("cursor", generation * ROWS)
    staging.clear()
    print(generation, flush=True)
