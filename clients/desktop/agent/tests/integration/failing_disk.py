"""An outbox whose files may not grow for a while (RLIMIT_FSIZE: the kernel refuses the write). Prints what it saw."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from pathlib import Path

from pulse_agent.domain.quota import Quota
from pulse_agent.domain.reading import Reading
from pulse_agent.outbox.outbox import Outbox
from pulse_agent.outbox.writer import OutboxUnavailableError


async def main() -> None:
    readings = [Reading(1_800_000_000_000_000 + n, {"n": n, "text": "x" * 100}) for n in range(500)]
    failed = 0
    async with Outbox(Path(sys.argv[1]), quota=Quota(ballast_bytes=0)) as outbox:
        stored = len(await outbox.put_many(readings))
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
        for _ in range(6):
            try:
                stored += len(await outbox.put_many(readings))
            except OutboxUnavailableError:
                failed += len(readings)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        stored += len(await outbox.put_many(readings))
        losses = [[loss.low, loss.high, loss.reason] for loss in await outbox.read_losses(100)]
        stats = outbox.stats
        print(
            json.dumps(
                {"stored": stored, "failed": failed, "losses": losses, "rows": stats.rows, "next": stats.next_sequence}
            )
        )


asyncio.run(main())
