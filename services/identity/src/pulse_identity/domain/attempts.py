"""How long a stranger waits between guesses at one account.

The first few mistakes are a person's; then the wait doubles, up to a minute. It never becomes a lock: whoever waits gets
a try, and an address from which the account was used before has a count of its own, so strangers cannot keep the owner out.
"""

from __future__ import annotations

from typing import Final

FREE_FAILURES: Final = 3
MAX_DELAY_SECONDS: Final = 60
FORGET_SECONDS: Final = 15 * 60
"""A quarter of an hour without an attempt clears an account's count."""


def delay_after(failures: int) -> int:
    """Return the seconds before the next guess, after so many failures in a row."""
    if failures < FREE_FAILURES:
        return 0
    return int(min(MAX_DELAY_SECONDS, 2 ** min(failures - FREE_FAILURES, 10)))
