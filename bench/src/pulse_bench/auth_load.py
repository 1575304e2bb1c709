"""What signing in costs everybody else: token-checked requests while 200 people sign in at once, beside idle.

Both in one run, on one stack, by turns: some seconds idle, then a crowd, and again. A round has a p99 of each and their
ratio; the figure is the median over the rounds, beside the lowest and the highest. Idle and busy are asked by the same
client at the same rate; a round lasts as long as its crowd takes, both times. The stack is told to take all 200
sign-ins (its bucket for one address and its queue of password checks are made large enough), so each is a real Argon2
hash.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from typing import Any, Final
from uuid import uuid4

import httpx

from pulse_bench.errors import BenchError
from pulse_bench.stack import Stack
from pulse_chassis.bearer import Authority, generate_signing_key, issue_access_token, public_jwk

ENVIRONMENT: Final = {
    "PULSE_IDENTITY_SIGN_IN_BURST": "1000",
    "PULSE_IDENTITY_ARGON2_WAITING": "400",
    # One address plays many people; counting costs what it costs everybody.
    "PULSE_RATE_LIMITS": "read=1000000/1,credentials=1000000/1",
}
ROUTES: Final = {"identity": "/api/profile", "gateway": "/api/dashboard/summary"}
RATE_S: Final = 20.0
"""Token-checked requests a second at each service: far below what it can answer, so that waiting is not its own."""
_TOKENS: Final = 500


@dataclass(frozen=True, slots=True)
class Round:
    """One service's token-checked requests, idle and while people sign in."""

    idle_p50_ms: float
    idle_p99_ms: float
    busy_p50_ms: float
    busy_p99_ms: float
    idle_requests: int
    busy_requests: int

    @property
    def ratio(self) -> float:
        """How many times the idle p99 the busy one is."""
        return self.busy_p99_ms / self.idle_p99_ms


@dataclass(frozen=True, slots=True)
class SignInFigure:
    """One service's rounds."""

    service: str
    rounds: tuple[Round, ...]

    @property
    def ratios(self) -> list[float]:
        """The rounds' ratios, lowest first."""
        return sorted(taken.ratio for taken in self.rounds)

    @property
    def ratio(self) -> float:
        """The median of the rounds' ratios."""
        return statistics.median(self.ratios)

    def median(self, name: str) -> float:
        """Return the median over the rounds of one of their fields."""
        return statistics.median(float(getattr(taken, name)) for taken in self.rounds)

    def as_dict(self) -> dict[str, Any]:
        """Return the figure for the report."""
        rounds = [{**asdict(taken), "ratio": taken.ratio} for taken in self.rounds]
        return {"service": self.service, "ratio": self.ratio, "rounds": rounds}


@dataclass(frozen=True, slots=True)
class VerifyFigure:
    """Microseconds to verify an access token: never seen before, and seen before."""

    first_us: float
    again_us: float


async def measure_verification() -> VerifyFigure:
    """Return the medians over `_TOKENS` tokens."""
    key = generate_signing_key("bench")

    async def published() -> dict[str, Any]:
        return {"keys": [public_jwk(key)]}

    authority = Authority(published)
    tokens = [
        issue_access_token(
            key,
            user_id=uuid4(),
            username="bench",
            roles=["operator"],
            permissions=["devices:read", "devices:write", "telemetry:read", "telemetry:write", "system:read"],
            session_id=uuid4(),
            now=datetime.now(UTC),
        )
        for _ in range(_TOKENS + 1)
    ]
    await authority.verify(tokens.pop())
    first = [await _microseconds(authority, token) for token in tokens]
    again = [await _microseconds(authority, token) for token in tokens]
    return VerifyFigure(statistics.median(first), statistics.median(again))


async def _microseconds(authority: Authority, token: str) -> float:
    started = time.perf_counter()
    await authority.verify(token)
    return (time.perf_counter() - started) * 1e6


async def measure_sign_ins(stack: Stack, *, sign_ins: int, rounds: int) -> list[SignInFigure]:
    """Return the figures of identity and gateway.

    Raises:
        BenchError: a sign-in or a request was refused: the figure would be one of refusals.
    """
    account = stack.description["admin"]
    credentials = {"username": account["username"], "password": account["password"]}
    identity = stack.service("identity")["url"]
    urls = {"identity": identity, "gateway": stack.gateway_url}
    loop = asyncio.get_running_loop()
    # A process of its own: 200 connections made in this one would delay the requests that are measured.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as people:

        async def crowd() -> None:
            statuses = await loop.run_in_executor(people, _crowd, identity, credentials, sign_ins)
            if set(statuses) != {200}:
                raise BenchError(f"not all sign-ins were taken: {dict(statuses)}")

        headers = {"Authorization": f"Bearer {await _token(identity, credentials)}"}
        async with httpx.AsyncClient(timeout=30, headers=headers, trust_env=False) as http:
            taken = []
            seconds = await _first_crowd(http, urls, crowd)
            for _ in range(rounds):
                idle = await _read_all(http, urls, asyncio.create_task(asyncio.sleep(seconds)))
                taken.append((idle, await _read_all(http, urls, asyncio.create_task(crowd()))))
    return [SignInFigure(name, tuple(_round(idle[name], busy[name]) for idle, busy in taken)) for name in urls]


async def _first_crowd(http: httpx.AsyncClient, urls: dict[str, str], crowd: Callable[[], Awaitable[None]]) -> float:
    """Return how many seconds a crowd takes; what it and the requests need for the first time is there after that."""
    started = time.perf_counter()
    await _read_all(http, urls, asyncio.ensure_future(crowd()))
    return time.perf_counter() - started


def _round(idle: list[float], busy: list[float]) -> Round:
    return Round(
        idle_p50_ms=_quantile(idle, 50),
        idle_p99_ms=_quantile(idle, 99),
        busy_p50_ms=_quantile(busy, 50),
        busy_p99_ms=_quantile(busy, 99),
        idle_requests=len(idle),
        busy_requests=len(busy),
    )


def _crowd(url: str, credentials: dict[str, str], count: int) -> Counter[int]:
    """Sign so many people in at once, in the process that this runs in; return how often each status came."""

    async def sign_in() -> Counter[int]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(timeout=120, limits=limits, trust_env=False) as http:
            asked = (http.post(url + "/api/auth/login", json=credentials) for _ in range(count))
            return Counter(answer.status_code for answer in await asyncio.gather(*asked))

    return asyncio.run(sign_in())


async def _token(url: str, credentials: dict[str, str]) -> str:
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        answer = await http.post(url + "/api/auth/login", json=credentials)
    return str(answer.json()["access_token"])


async def _read_all(
    http: httpx.AsyncClient, urls: dict[str, str], meanwhile: asyncio.Future[Any]
) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {name: [] for name in urls}
    with _cycles_left_alone():
        await asyncio.gather(*(_read(http, urls[name] + ROUTES[name], taken[name], meanwhile) for name in urls))
    return taken


@contextmanager
def _cycles_left_alone() -> Iterator[None]:
    """Search for cycles before the block and not in it: a search in this process read as answers that took 150 ms."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def _read(http: httpx.AsyncClient, url: str, taken: list[float], meanwhile: asyncio.Future[Any]) -> None:
    """Ask at a steady rate, from the time each request was due, so that a stall counts for all it delays."""
    started = time.perf_counter()
    asked: set[asyncio.Task[None]] = set()

    async def one(due: float) -> None:
        answer = await http.get(url)
        taken.append((time.perf_counter() - due) * 1000)
        if answer.status_code != httpx.codes.OK:
            raise BenchError(f"{url} answered {answer.status_code}: {answer.text[:200]}")

    while not meanwhile.done():
        due = started + len(asked) / RATE_S
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        asked.add(asyncio.create_task(one(due)))
    await asyncio.gather(*asked)
    meanwhile.result()


def _quantile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
