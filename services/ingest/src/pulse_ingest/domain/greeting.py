"""What a hello means: may the client go on under its epoch, or does it get a new one?

An epoch is renewed when the server does not know it, when the outbox was rolled back (its next sequence was received
already), or when the outbox exists twice (two live instances, or an instance that comes back after another took over).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pulse_contracts.presence import Hello

RenewalReason = Literal["no_epoch", "unknown_epoch", "rolled_back", "second_instance", "superseded_instance"]


@dataclass(frozen=True, slots=True)
class EpochState:
    """What the server knows of the epoch that a hello names."""

    highest: int
    owner: str | None
    former_owners: frozenset[str]
    is_owner_live: bool
    """The owner was heard within 10 s, and no last will since."""


def renewal_reason(hello: Hello, epoch: EpochState | None) -> RenewalReason | None:
    """Return why the client must get a new epoch, None when it goes on under the one it has."""
    if hello.epoch == 0:
        return "no_epoch"
    if epoch is None:
        return "unknown_epoch"
    if hello.next <= epoch.highest:
        return "rolled_back"
    if epoch.owner is None or epoch.owner == hello.instance:
        return None
    if hello.instance in epoch.former_owners:
        return "superseded_instance"
    return "second_instance" if epoch.is_owner_live else None
