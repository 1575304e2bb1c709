"""Optimistic concurrency as a plain value: which version of a thing the caller has seen and means to change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pulse_chassis.errors import PreconditionFailedError


@dataclass(frozen=True, slots=True)
class Precondition:
    """The versions on which a change may be made; None means any."""

    versions: frozenset[int] | None

    def check(self, version: int) -> None:
        """Raise PreconditionFailedError when the thing has another version by now. Ask while it is locked."""
        if self.versions is not None and version not in self.versions:
            message = "somebody has changed this in the meantime; read it again, then repeat the change"
            raise PreconditionFailedError(message, field="If-Match")


ANY_VERSION: Final = Precondition(None)
"""Whatever the version is: for changes that do not build on what was there."""
