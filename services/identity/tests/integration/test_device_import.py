"""Many devices from a CSV file: every row is checked before anything is done, and a thousand take seconds."""

from __future__ import annotations

import csv
import io
import time

from pulse_identity.http.device_import import MAX_ROWS


async def send(service, person, text, *, kind="text/csv"):
    headers = {"Authorization": f"Bearer {person.tokens['access_token']}", "content-type": kind}
    body = text if isinstance(text, bytes) else text.encode()
    return await service.http.post("/api/devices/import", content=body, headers=headers)


def rows(answer):
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text)))


async def test_a_thousand_devices_are_registered_in_seconds_and_can_connect(service, admin, mqtt_session):
    names = [f"bulk-{number:04}" for number in range(1000)]
    text = "id,name,groups,metadata\r\n" + "".join(f'{n},"Name, of {n}",a; b,"{{""k"": 1}}"\r\n' for n in names)
    started = time.monotonic()
    made = rows(await send(service, admin, text))
    assert time.monotonic() - started < 30
    assert [row["id"] for row in made] == names
    assert [int(row["row"]) for row in made] == list(range(1, 1001))
    assert {row["status"] for row in made} == {"registered"}
    assert len({row["api_key"] for row in made}) == 1000
    one = await admin.call("GET", "/api/devices/bulk-0500", status=200)
    assert (one["name"], one["groups"], one["metadata"]) == ("Name, of bulk-0500", ["a", "b"], {"k": 1})
    async with await mqtt_session("bulk-0999", made[999]["api_key"]):
        pass


async def test_every_wrong_row_is_named_and_nothing_is_done(service, admin):
    await admin.call("POST", "/api/devices", {"id": "there-already"}, status=201)
    bad = [
        ("id,kind\nfine,generic\nbad id,generic\nfine-2,NOT A KIND\n", {"row 2.id", "row 3.kind"}),
        ("id\nfine\nfine\n", {"row 2.id"}),
        ("id\nfine\nthere-already\n", {"row 2.id"}),
        ("id\nfine\nsvc-mine\n", {"row 2.id"}),
        ("id,metadata\nfine,{}\nfine-2,[1]\nfine-3,{\n", {"row 2.metadata", "row 3.metadata"}),
        ("id,owner_id\nfine,\nfine-2,00000000-0000-4000-8000-000000000000\n", {"row 2.owner_id"}),
        ("id,name\nfine,x\nfine-2\n", {"row 2"}),
    ]
    for text, fields in bad:
        answer = await send(service, admin, text)
        assert answer.status_code == 422, (text, answer.text)
        assert answer.json()["code"] == "rows_refused"
        assert {error["field"] for error in answer.json()["errors"]} == fields, text
    page = await admin.call("GET", "/api/devices", status=200)
    assert [item["id"] for item in page["items"]] == ["there-already"]
    assert [
        account.device_id for account in await service.parts.broker.all() if account.device_id.startswith("fine")
    ] == []


async def test_what_is_no_such_file_is_refused_as_a_whole(service, admin):
    for text, code in [
        (b"", "bad_csv_header"),
        (b"id\n", "bad_row_count"),
        (b"id,id\na,b\n", "bad_csv_header"),
        (b"id,password\na,b\n", "bad_csv_header"),
        (b"\xff\xfe", "bad_csv"),
        (b'id\n"open', "bad_csv"),
        (b"id\n" + b"x\n" * (MAX_ROWS + 1), "bad_row_count"),
    ]:
        answer = await send(service, admin, text)
        assert (answer.status_code, answer.json()["code"]) == (422, code), text[:20]
    assert (await send(service, admin, "id\nx\n", kind="application/json")).status_code == 415


async def test_who_may_not_write_devices_may_not_import_any(service, admin):
    viewer = await service.add_person(admin, "viewer")
    assert (await send(service, viewer, "id\nmine\n")).status_code == 403
    assert (await service.http.post("/api/devices/import", content=b"id\nx\n")).status_code == 401
    operator = await service.add_person(admin, "operator")
    made = rows(await send(service, operator, "id\nmine\n"))
    assert (await operator.call("GET", f"/api/devices/{made[0]['id']}", status=200))["owner_id"] == operator.id
