"""`ETag` and `If-Match`: nobody overwrites a change that they have not seen.

Every answer with a mutable resource carries its version as a strong `ETag`; whoever changes or deletes it says in
`If-Match` which one they mean. Without the header the answer is 428, with another version 412. `If-Match: *` is the
explicit "whatever it is now". A weak tag never matches (RFC 9110, 13.1.1: strong comparison).
"""

from __future__ import annotations

import re
from typing import Annotated, Final

from fastapi import Depends, Header, Response

from pulse_chassis.errors import PreconditionRequiredError
from pulse_chassis.preconditions import ANY_VERSION, Precondition

_ENTITY_TAG: Final = re.compile(r'(W/)?"([^"]*)"')
_MAX_CHARS: Final = 1024
_DESCRIPTION: Final = "the `ETag` of the version that you have seen, or `*`"


def set_etag(response: Response, version: int) -> None:
    """Say which version the answer carries."""
    response.headers["ETag"] = f'"{version}"'


def parse_if_match(text: str) -> Precondition:
    """Return what an `If-Match` header allows; tags that are not ours allow nothing."""
    if text.strip() == "*":
        return ANY_VERSION
    tags = [] if len(text) > _MAX_CHARS else _ENTITY_TAG.findall(text)
    # At most nine digits: a version is a 32-bit integer, and int() of a long text is not free.
    return Precondition(
        frozenset(int(tag) for weak, tag in tags if not weak and tag.isascii() and tag.isdigit() and len(tag) < 10)
    )


async def _required(
    if_match: Annotated[str | None, Header(alias="If-Match", description=_DESCRIPTION, examples=["*"])] = None,
) -> Precondition:
    if if_match is None:
        message = "say with If-Match which version you mean: the ETag of the answer in which you saw it"
        raise PreconditionRequiredError(message, field="If-Match")
    return parse_if_match(if_match)


async def _optional(
    if_match: Annotated[str | None, Header(alias="If-Match", description=_DESCRIPTION, examples=["*"])] = None,
) -> Precondition:
    return ANY_VERSION if if_match is None else parse_if_match(if_match)


IfMatch = Annotated[Precondition, Depends(_required)]
"""A route's parameter: the precondition, 428 without the header. Declare it after the one that checks access."""
OptionalIfMatch = Annotated[Precondition, Depends(_optional)]
"""The same where the header may be left out: actions that are the same whatever was there before."""
