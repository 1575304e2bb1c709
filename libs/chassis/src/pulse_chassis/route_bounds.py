"""What a route says about how often it may be called and how large a body it takes, beside the route:

    @router.post("/login", dependencies=[Depends(rate_limited(RateClass.CREDENTIALS))])
    @router.post("/import", dependencies=[Depends(body_bound(8 * 1024 * 1024))])

A route that says nothing is `read` (GET, HEAD) or `write`, and takes the app's default body. Routes are looked up before
the router runs, because both bounds hold before a byte of the body is read.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.types import Scope

from pulse_chassis.edge_policy import RateClass

_ATTRIBUTE: Final = "pulse_route_bound"
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class _Rate:
    rate_class: RateClass | None


@dataclass(frozen=True, slots=True)
class _Body:
    max_bytes: int


@dataclass(frozen=True, slots=True)
class _Turns:
    """Nothing but that."""


@dataclass(frozen=True, slots=True)
class RouteBounds:
    """The bounds of one route for one method; `rate_class` None: not counted. `route` is None where nothing matches."""

    route: Any
    rate_class: RateClass | None
    max_body_bytes: int
    takes_turns: bool = False


_Bound = _Rate | _Body | _Turns
Marker = Callable[[], Awaitable[None]]


def rate_limited(rate_class: RateClass) -> Marker:
    """Return a dependency that puts a route into a group of its own choice."""
    return _marker(_Rate(rate_class))


def not_rate_limited(reason: str) -> Marker:
    """Return a dependency that says that a route is not counted here, and why that is right."""
    if not reason:
        message = "say why"
        raise ValueError(message)
    return _marker(_Rate(None))


def body_bound(max_bytes: int) -> Marker:
    """Return a dependency that gives a route a largest body of its own, in bytes."""
    return _marker(_Body(max_bytes))


def in_turn() -> Marker:
    """Return a dependency that says that only a few callers of a route are let in at a time (the app's turnstile)."""
    return _marker(_Turns())


def bounds_of(route: Any, method: str, default_body_bytes: int) -> RouteBounds:
    """Return the bounds of a route for one of its methods; of two declarations the one nearer to the route counts."""
    rate_class: RateClass | None = RateClass.READ if method in _READING else RateClass.WRITE
    max_body_bytes, takes_turns = default_body_bytes, False
    # A router's dependencies come before those of its routes.
    for bound in _declared(getattr(route, "dependant", None)):
        if isinstance(bound, _Rate):
            rate_class = bound.rate_class
        elif isinstance(bound, _Body):
            max_body_bytes = bound.max_bytes
        else:
            takes_turns = True
    return RouteBounds(route, rate_class, max_body_bytes, takes_turns)


class RouteTable:
    """The routes of an app in their order, as they were when the first request came."""

    def __init__(self, app: FastAPI, default_body_bytes: int) -> None:
        self._default_body_bytes = default_body_bytes
        self._routes = [
            (pattern, {method: bounds_of(route, method, default_body_bytes) for method in route.methods})
            for route in iter_route_contexts(app.routes)
            if (pattern := getattr(route, "path_regex", None)) is not None and route.methods
        ]

    def find(self, scope: Scope) -> RouteBounds:
        """Return the bounds of the route that this request will come to."""
        path, method = scope["path"], scope["method"]
        pattern: re.Pattern[str]
        for pattern, methods in self._routes:
            if method in methods and pattern.match(path):
                return methods[method]
        return bounds_of(None, method, self._default_body_bytes)


def _declared(dependant: Any) -> Iterator[_Bound]:
    for part in () if dependant is None else dependant.dependencies:
        bound = getattr(part.call, _ATTRIBUTE, None)
        if isinstance(bound, _Bound):
            yield bound


def _marker(bound: _Bound) -> Marker:
    async def declare() -> None:
        return None

    setattr(declare, _ATTRIBUTE, bound)
    return declare
