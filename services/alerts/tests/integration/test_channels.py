"""Channels over HTTP: who may, what is never given back, versions, and what is refused."""

from __future__ import annotations

import base64
from uuid import UUID, uuid4

from pulse_contracts.streams import AUDIT_STREAM

KEY = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
EMAIL = {"kind": "email", "name": "Night shift", "recipients": ["night@example.org"]}
HOOK = {"kind": "webhook", "name": "Tickets", "url": "https://93.184.216.34/hooks/s3cr3t-path?token=t0k3n", "key": KEY}
SCREENS = "/api/alert-channels/00000000-0000-4000-8000-00000000a1e7"


async def test_who_may_do_what_with_channels(world) -> None:
    admin, operator = await world.user(), await world.user("operator")
    blind = await world.person_with("alert_rules:write")
    async with world.service():
        for path in ("/api/alert-channels", SCREENS, f"{SCREENS}/messages"):
            answers = [await world.ask(user, "GET", path) for user in (None, operator, blind, admin)]
            assert [answer.status_code for answer in answers] == [401, 403, 403, 200], path
        for user, status in ((None, 401), (operator, 403), (blind, 403), (admin, 201)):
            assert (await world.ask(user, "POST", "/api/alert-channels", EMAIL)).status_code == status
        refused = (await world.ask(blind, "POST", "/api/alert-channels", EMAIL)).json()
        assert (refused["code"], "devices:all" in refused["detail"]) == ("permission_missing", True)


async def test_deliveries_are_for_those_who_see_the_device(world) -> None:
    owner, stranger, admin = await world.user("operator"), await world.user("operator"), await world.user()
    async with world.service():
        step = await world.raised(await world.device(owner))
        path = f"/api/alerts/{step.alarm_id}/deliveries"
        answers = [await world.ask(user, "GET", path) for user in (None, stranger, owner, admin)]
        assert [answer.status_code for answer in answers] == [401, 404, 200, 200]
        assert (await world.ask(admin, "GET", f"/api/alerts/{uuid4()}/deliveries")).status_code == 404


async def test_a_webhooks_url_and_key_are_never_given_back_nor_stored_openly(world) -> None:
    admin = await world.user()
    async with world.service() as parts:
        made = await world.ask(admin, "POST", "/api/alert-channels", HOOK)
        path = f"/api/alert-channels/{made.json()['id']}"
        same = {"kind": "webhook", "name": "Renamed"}
        answers = [made, await world.ask(admin, "PUT", path, same, If_Match=made.headers["etag"])]
        answers += [await world.ask(admin, "GET", one) for one in (path, "/api/alert-channels")]
        assert [answer.status_code for answer in answers] == [201, 200, 200, 200]
        for answer in answers:
            assert "s3cr3t" not in answer.text
            assert KEY not in answer.text
        assert answers[2].json()["url_origin"] == "https://93.184.216.34"
        async with parts.channels.change() as unit:
            held = await unit.secret(UUID(made.json()["id"]))
        assert held is not None
        assert (held.url, held.key) == (HOOK["url"], KEY)
    dump = str(await world.db.fetch("select * from alerts.channel"))
    told = str(await world.redis.xrange(AUDIT_STREAM))
    for text in (dump, told):
        assert "s3cr3t" not in text
        assert KEY not in text
    assert "alert_channel.created" in told


async def test_a_change_says_which_version_it_means(world) -> None:
    admin = await world.user()
    async with world.service():
        made = await world.ask(admin, "POST", "/api/alert-channels", EMAIL)
        path = f"/api/alert-channels/{made.json()['id']}"
        assert made.headers["etag"] == '"1"'
        assert (await world.ask(admin, "PUT", path, EMAIL)).status_code == 428
        changed = await world.ask(admin, "PUT", path, {**EMAIL, "name": "Day shift"}, If_Match='"1"')
        assert (changed.status_code, changed.headers["etag"], changed.json()["name"]) == (200, '"2"', "Day shift")
        assert (await world.ask(admin, "PUT", path, EMAIL, If_Match='"1"')).status_code == 412
        assert (await world.ask(admin, "DELETE", path, If_Match='"1"')).status_code == 412
        assert (await world.ask(admin, "DELETE", path, If_Match='"2"')).status_code == 204
        assert (await world.ask(admin, "GET", path)).status_code == 404
        assert (await world.ask(admin, "POST", f"{path}/test", {})).status_code == 404
        again = await world.ask(admin, "POST", "/api/alert-channels", {**EMAIL, "name": "day SHIFT"})
        assert again.status_code == 201, "the name of a deleted channel is free"


async def test_a_request_that_is_sent_again_adds_no_second_channel(world) -> None:
    admin = await world.user()
    async with world.service():
        answers = [await world.ask(admin, "POST", "/api/alert-channels", EMAIL, Idempotency_Key="k1") for _ in range(2)]
        assert [answer.status_code for answer in answers] == [201, 201]
        assert answers[0].json() == answers[1].json()
        found = (await world.ask(admin, "GET", "/api/alert-channels")).json()["items"]
    assert [one["name"] for one in found] == ["Devices' own screens", "Night shift"]


async def test_a_channel_is_given_back_as_it_was_wanted(world) -> None:
    admin = await world.user()
    rules = [str(uuid4())]
    wanted = {
        **EMAIL,
        "is_enabled": False,
        "filter": {"severities": ["critical", "info"], "kinds": ["raised"], "groups": ["hall"], "rule_ids": rules},
        "gather_seconds": 45,
        "rate_limit": {"messages": 3, "seconds": 600},
        "quiet_hours": {"start": "22:00", "end": "06:30", "days": [4, 5], "critical_passes": False},
        "time_zone": "Europe/Vienna",
    }
    async with world.service():
        made = (await world.ask(admin, "POST", "/api/alert-channels", wanted)).json()
        read = (await world.ask(admin, "GET", f"/api/alert-channels/{made['id']}")).json()
    assert made == read
    assert {name: read[name] for name in wanted} == wanted


UNWORKABLE = [
    ({**HOOK, "url": "http://93.184.216.34/"}, "webhook_address_refused", "body.url"),
    ({**HOOK, "url": "https://169.254.169.254/latest/meta-data"}, "webhook_address_refused", "body.url"),
    ({**HOOK, "url": "https://[::ffff:10.0.0.1]/"}, "webhook_address_refused", "body.url"),
    ({**HOOK, "url": "https://u:p@a.example/"}, "webhook_url_invalid", "body.url"),
    ({**HOOK, "key": "whsec_c2hvcnQ="}, "webhook_key_invalid", "body.key"),
    ({"kind": "webhook", "name": "x", "key": KEY}, "webhook_incomplete", "body.url"),
    ({"kind": "webhook", "name": "x", "url": HOOK["url"]}, "webhook_incomplete", "body.key"),
    ({**EMAIL, "recipients": ["a@b\r\nBcc: c@d"]}, None, None),
    ({**EMAIL, "recipients": []}, None, None),
    ({**EMAIL, "time_zone": "../etc/passwd"}, None, None),
    ({**EMAIL, "quiet_hours": {"start": "22:00", "end": "22:00"}}, None, None),
    ({**EMAIL, "quiet_hours": {"start": "24:00", "end": "22:00"}}, None, None),
    ({**EMAIL, "name": "a\nb"}, None, None),
    ({**EMAIL, "url": HOOK["url"]}, None, None),
    ({**EMAIL, "kind": "pigeon"}, None, None),
]


async def test_what_could_not_work_is_refused(world) -> None:
    admin = await world.user()
    async with world.service(alerts_webhook_networks=""):
        for body, code, field in UNWORKABLE:
            answer = await world.ask(admin, "POST", "/api/alert-channels", body)
            assert answer.status_code == 422, (body, answer.text)
            if code is not None:
                assert (answer.json()["code"], answer.json()["field"]) == (code, field), body


async def test_names_and_the_channel_of_devices_are_there_once_and_kinds_stay(world) -> None:
    admin = await world.user()
    async with world.service():
        made = await world.ask(admin, "POST", "/api/alert-channels", EMAIL)
        taken = await world.ask(admin, "POST", "/api/alert-channels", {**EMAIL, "name": "NIGHT shift"})
        second = await world.ask(admin, "POST", "/api/alert-channels", {"kind": "mqtt", "name": "More screens"})
        other = await world.ask(admin, "PUT", f"/api/alert-channels/{made.json()['id']}", HOOK, If_Match="*")
        needed = await world.ask(admin, "POST", f"{SCREENS}/test", {})
        nobody = await world.ask(admin, "POST", f"{SCREENS}/test", {"device_id": "nobody"})
    codes = [(answer.status_code, answer.json()["code"]) for answer in (taken, second, other, needed, nobody)]
    assert codes == [
        (409, "channel_name_taken"),
        (409, "mqtt_channel_exists"),
        (409, "channel_kind_fixed"),
        (422, "device_needed"),
        (404, "unknown_device"),
    ]
