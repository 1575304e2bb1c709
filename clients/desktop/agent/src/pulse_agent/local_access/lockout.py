"""How long somebody who guesses passwords on this desktop waits: longer with each miss, across restarts.

The count is on the disk before the password is looked at, so that killing the program saves no try. Names are kept
only as a keyed digest: people type passwords into the wrong field.
"""

from __future__ import annotations

import hmac
from typing import Final

from pulse_agent.replica.database import ReplicaDatabase

FREE_FAILURES: Final = 3
MAX_DELAY_SECONDS: Final = 900
"""Never a lock for good: whoever waits a quarter of an hour gets a try, and a lease outlives few of these."""
MAX_ACCOUNTS: Final = 1_000
"""Names with misses that are remembered; overflow policy: the one tried longest ago goes."""


def delay_after(failures: int) -> int:
    """Return the seconds between a miss and the next try, after so many misses in a row."""
    if failures < FREE_FAILURES:
        return 0
    return int(min(MAX_DELAY_SECONDS, 2 ** min(failures - FREE_FAILURES, 20)))


class Lockout:
    """The counters; `key` makes the digests."""

    def __init__(self, database: ReplicaDatabase, key: bytes) -> None:
        self._database = database
        self._key = key

    def begin(self, name: str, now_ms: int) -> int:
        """Count a try, durably; return 0, or the seconds to wait, in which case it was not one."""
        account = self._account(name)
        with self._database.transaction(durable=True) as connection:
            found = connection.execute("SELECT failures, last_at FROM lockout WHERE account = ?", (account,)).fetchone()
            failures, last_at = found or (0, 0)
            left_ms = last_at + delay_after(failures) * 1000 - now_ms
            if left_ms > 0:
                return min(-(-left_ms // 1000), MAX_DELAY_SECONDS)
            connection.execute("INSERT OR REPLACE INTO lockout VALUES (?, ?, ?)", (account, failures + 1, now_ms))
            connection.execute(
                "DELETE FROM lockout WHERE account IN (SELECT account FROM lockout ORDER BY last_at DESC LIMIT -1 OFFSET ?)",
                (MAX_ACCOUNTS,),
            )
        return 0

    def clear(self, name: str) -> None:
        """The password was right: start counting anew."""
        with self._database.transaction(durable=True) as connection:
            connection.execute("DELETE FROM lockout WHERE account = ?", (self._account(name),))

    def _account(self, name: str) -> str:
        return hmac.digest(self._key, b"lockout:" + name.encode("utf-8", "surrogatepass"), "sha256").hex()
