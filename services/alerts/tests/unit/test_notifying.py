"""What is said, how it is signed, where it may go, and when it is tried again."""

from __future__ import annotations

import base64
import random
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse_alerts.domain.channel import NoticeFilter
from pulse_alerts.domain.notice import Digest, Notice
from pulse_alerts.domain.reachable import may_reach, origin_of, parse_address, parse_networks
from pulse_alerts.domain.retrying import Perseverance, message_id
from pulse_alerts.domain.webhook_signature import key_bytes, new_key, signed_headers
from pulse_alerts.domain.wording import MAX_SUBJECT_CHARS, one_line, trial_words, worded

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def notice(**fields) -> Notice:
    held = {
        "step_id": uuid4(), "kind": "raised", "at": NOW, "alarm_id": uuid4(), "rule_id": uuid4(), "rule_name": "Hot",
        "device_id": "pump-7", "metric": "temperature", "severity": "critical", "message": "too hot", "value": 72.4,
        "raised_at": NOW,
    }  # fmt: skip
    return Notice(**(held | fields))


def digest(*notices: Notice, more: int = 0) -> Digest:
    raised = sum(one.kind == "raised" for one in notices)
    return Digest(notices, raised + more, len(notices) - raised, len({one.device_id for one in notices}), "critical")


@given(st.text(max_size=700), st.text(max_size=300), st.text(max_size=300))
def test_no_text_breaks_out_of_its_line(message: str, rule: str, device: str) -> None:
    words = worded(digest(notice(message=message, rule_name=rule, device_id=device)), "UTC")
    assert len(words.subject.splitlines()) == 1
    assert len(words.subject) <= MAX_SUBJECT_CHARS
    assert len(words.text.splitlines()) == 5
    inside = words.html.partition("<body")[2]
    assert inside.count("<b>") == 1
    assert "<script" not in inside.lower()
    words.html.encode()


def test_a_message_of_many_says_how_many_more_there_are() -> None:
    spelt = [notice(device_id="pump-1"), notice(device_id="pump-2", kind="cleared", severity="warning", reason="rule")]
    words = worded(digest(*spelt, more=40), "Europe/Vienna", "https://pulse.example.org/alerts")
    assert words.subject == "[critical] 2 devices: alarms 41 raised, 1 cleared"
    assert "and 40 more (40 raised): see the list of alarms." in words.text
    assert "13:00:00 CET" in words.text
    assert '<a href="https://pulse.example.org/alerts">' in words.html


def test_one_that_is_cleared_says_so_first() -> None:
    assert worded(digest(notice(kind="cleared")), "UTC").subject == "[cleared] pump-7: Hot"
    assert "true" in worded(digest(notice(value=True)), "UTC").text
    assert "sent by a b." in trial_words("On call", "a\nb").text


def test_one_line_keeps_words_and_bounds_them() -> None:
    assert one_line("  a\r\n\tb\u2028c\u202e  ") == "a b c"
    assert one_line("x" * 600) == "x" * 499 + "…"


@given(st.binary(min_size=24, max_size=64), st.binary(max_size=200))
def test_a_signature_is_of_id_time_and_body(key: bytes, body: bytes) -> None:
    text = "whsec_" + base64.b64encode(key).decode()
    first = signed_headers(text, "msg_1", 1_700_000_000, body)
    assert first == signed_headers(text, "msg_1", 1_700_000_000, body)
    others = [
        signed_headers(text, "msg_2", 1_700_000_000, body),
        signed_headers(text, "msg_1", 1_700_000_001, body),
        signed_headers(text, "msg_1", 1_700_000_000, body + b" "),
        signed_headers(new_key(), "msg_1", 1_700_000_000, body),
    ]
    assert all(first["webhook-signature"] != other["webhook-signature"] for other in others)


def test_the_signature_of_the_conventions_own_example() -> None:
    # From the Standard Webhooks specification's reference tests.
    headers = signed_headers(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        b'{"test": 2432232314}',
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("key", ["", "whsec_", "whsec_!!", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3", "whsec_" + "QQ==" * 1])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="a key"):
        key_bytes(key)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::", "2002:a00:1::",
    ],
)  # fmt: skip
def test_private_addresses_in_every_guise_are_out_of_reach(address: str) -> None:
    assert not may_reach(ip_address(address), "https", ())
    assert not may_reach(ip_address(address), "http", ())


def test_public_ones_are_reached_with_tls_and_named_networks_without() -> None:
    named = parse_networks("10.0.0.0/8, fd00::/8")
    assert may_reach(ip_address("93.184.216.34"), "https", ())
    assert may_reach(ip_address("2606:2800:220:1::1"), "https", ())
    assert not may_reach(ip_address("93.184.216.34"), "http", named)
    assert may_reach(ip_address("10.9.8.7"), "http", named)
    assert may_reach(ip_address("::ffff:10.9.8.7"), "http", named)
    assert may_reach(parse_address("fd00::1%eth0"), "https", named)
    assert not may_reach(ip_address("11.0.0.1"), "http", named)


@pytest.mark.parametrize(
    "url",
    [
        "", "ftp://a.example", "https://", "//a.example", "https://user@a.example/", "https://u:p@a.example/", "https://a b/",
        "https://a.example/#x", "https://a.example/\r\nX: 1", "https://ä.example/", "https://a.example:99999/",
        "https://a.example/" + "x" * 3000, "javascript:alert(1)", "https://a.example\\@b.example/",
    ],
)  # fmt: skip
def test_what_is_no_url_for_a_webhook_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|[Pp]ort"):
        origin_of(url)


def test_of_a_url_only_its_origin_is_shown() -> None:
    assert origin_of("https://hooks.example.org/T0/secret?token=1").shown == "https://hooks.example.org"
    assert origin_of("http://[fd00::1]:8080/x").shown == "http://[fd00::1]:8080"


@given(st.integers(1, 200), st.none() | st.integers(0, 10**6), st.integers())
def test_it_is_tried_again_later_each_time_within_bounds(attempts: int, pause: int | None, seed: int) -> None:
    stubborn = Perseverance()
    asked = None if pause is None else timedelta(seconds=pause)
    wait = stubborn.next_attempt(attempts, asked, NOW, random.Random(seed)) - NOW
    assert stubborn.first / 2 <= wait <= max(stubborn.longest, stubborn.longest_asked)
    if asked is not None:
        assert wait >= min(asked, stubborn.longest_asked)


@given(st.uuids(), st.uuids(), st.uuids())
def test_a_message_is_named_by_its_channel_and_first_step(channel: UUID, other: UUID, step: UUID) -> None:
    assert message_id(channel, step) == message_id(channel, step)
    assert (message_id(channel, step) == message_id(other, step)) is (channel == other)


def test_an_empty_filter_lets_everything_pass_and_each_part_bars() -> None:
    one = notice(groups=("hall",))
    assert NoticeFilter().admits(one)
    assert NoticeFilter(("critical",), ("raised",), ("hall", "yard"), (one.rule_id,)).admits(one)
    for wanted in (
        NoticeFilter(severities=("info",)), NoticeFilter(kinds=("cleared",)), NoticeFilter(groups=("yard",)),
        NoticeFilter(rule_ids=(uuid4(),)),
    ):  # fmt: skip
        assert not wanted.admits(one)


def test_late_and_shelved_ones_are_nobodys_news() -> None:
    assert notice(is_late=True).silenced(NOW) == "late"
    assert notice(shelved_until=NOW + timedelta(seconds=1)).silenced(NOW) == "shelved"
    assert notice(shelved_until=NOW).silenced(NOW) is None
