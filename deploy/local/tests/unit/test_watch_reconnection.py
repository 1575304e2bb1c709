"""The client's rules of gateway.md, as a table and as properties."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_contracts.frames import CloseCode
from pulse_local.watch.connection import MalformedFrameError, decode, socket_url
from pulse_local.watch.reconnection import (
    LinkEndedError,
    ReconnectPolicy,
    Verdict,
    verdict_for,
    verdict_for_http,
)


@pytest.mark.parametrize("code", list(CloseCode))
def test_only_the_range_of_a_close_code_decides(code: CloseCode) -> None:
    expected = {40: Verdict.STOP, 41: Verdict.MEND, 42: Verdict.RESUME}[code // 100]
    assert verdict_for(code) is expected


@given(st.one_of(st.none(), st.integers(1000, 3999), st.integers(4200, 4999)))
def test_everything_else_comes_back(code: int | None) -> None:
    assert verdict_for(code) is Verdict.RESUME


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(400, Verdict.STOP), (403, Verdict.STOP), (404, Verdict.STOP), (429, Verdict.RESUME), (503, Verdict.RESUME)],
)
def test_an_upgrade_that_was_refused_is_judged_too(status: int, verdict: Verdict) -> None:
    assert verdict_for_http(status) is verdict


@given(st.integers(), st.integers(1, 40))
def test_delays_have_full_jitter_below_a_doubling_bound(seed: int, attempts: int) -> None:
    policy = ReconnectPolicy(rng=random.Random(seed))
    for attempt in range(attempts):
        delay = policy.delay(LinkEndedError("cut"))
        assert 0 <= delay <= min(15.0, 0.5 * 2**attempt)
    policy.succeeded()
    assert policy.delay(LinkEndedError("cut")) <= 0.5


@given(st.integers())
def test_mending_waits_at_least_a_second(seed: int) -> None:
    policy = ReconnectPolicy(rng=random.Random(seed))
    assert policy.delay(LinkEndedError("expired", code=4101)) >= 1.0


@given(st.integers(), st.floats(0.1, 60))
def test_the_servers_wish_comes_before_the_jitter(seed: int, wish: float) -> None:
    policy = ReconnectPolicy(rng=random.Random(seed))
    assert wish <= policy.delay(LinkEndedError("restart", code=4200, retry_after_s=wish)) <= wish + 0.5


@pytest.mark.parametrize(
    ("given_url", "expected"),
    [
        ("http://127.0.0.1:80", "ws://127.0.0.1:80/ws/live"),
        ("https://pulse.example/", "wss://pulse.example/ws/live"),
        ("wss://pulse.example/ws/live", "wss://pulse.example/ws/live"),
        ("https://pulse.example/site/", "wss://pulse.example/site/ws/live"),
    ],
)
def test_the_sockets_address_follows_from_the_gateways(given_url: str, expected: str) -> None:
    assert socket_url(given_url) == expected


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_any_message_is_frames_or_refused(raw: str | bytes) -> None:
    try:
        frames, unknown = decode(raw)
    except MalformedFrameError:
        return
    assert len(frames) + unknown >= 0


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["type", "id", "sub", "rows", "n"]), inner)
        ),
        max_leaves=12,
    )
)
def test_any_json_is_frames_or_refused(document: object) -> None:
    import json

    try:
        decode(json.dumps(document))
    except MalformedFrameError:
        return
