"""Tells whether this installation is one for tests, where a mechanism may be switched off to see the tests fail.

It is one if a package beside ours says so by an entry point of the group `pulse.test_build`: the chaos runs do, and no
image contains them. An environment variable alone can therefore never switch a promise off in production.
"""

from __future__ import annotations

from importlib import metadata
from typing import Final

GROUP: Final = "pulse.test_build"


def is_test_build() -> bool:
    """Say whether a package that is only installed for tests is there."""
    return bool(metadata.entry_points(group=GROUP))


def refuse_in_production(value: str | None) -> str | None:
    """Return a setting that switches something off, as it is; a validator for settings.

    Raises:
        ValueError: it is given, and this is no test build.
    """
    if value is not None and not is_test_build():
        raise ValueError("may only be given in a test build, and this is none")
    return value
