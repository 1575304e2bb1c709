"""The read API: who may ask, what it answers, and that pages neither skip nor double."""

import time
from datetime import UTC, datetime

import httpx
import pytest

OWN = ["/api/telemetry/latest", "/api/telemetry/history?device_id=dev-1", "/api/dashboard/summary"]


@pytest.mark.parametrize("path", OWN)
async def test_each_route_asks_who_is_calling(world, path: str) -> None:
    nobody = await world.user("admin")
    await world.db.execute("update identity.users set is_active = false where id = $1", nobody.id)
    stranger = await world.user("no-such-role-yet") if False else await world.user("viewer")
    expired = {"Authorization": f"Bearer {stranger.token(seconds=-5)}"}
    async with world.gateway() as gateway, gateway.http() as http:
        for headers in ({}, {"Authorization": "Bearer x"}, expired, nobody.bearer):
            answer = await http.get(path, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["instance"] == answer.headers["x-request-id"]


async def test_a_permission_is_needed(world) -> None:
    from dataclasses import replace

    user = replace(await world.user("viewer"), roles=["unknown"])
    async with world.gateway() as gateway, gateway.http(user) as http:
        for path in OWN:
            assert (await http.get(path)).status_code == 403


async def test_latest_is_filtered_paged_and_says_where_to_go_on(world) -> None:
    user = await world.user("operator")
    for n in range(5):
        await world.device(f"dev-{n}", user)
        await world.store(f"dev-{n}", "a", n, start_ms=1_800_000_000_000)
        await world.store(f"dev-{n}", "b", -n, start_ms=1_800_000_000_000)
    async with world.gateway() as gateway, gateway.http(user) as http:
        seen, cursor = [], None
        while True:
            answer = await http.get(
                "/api/telemetry/latest", params={"limit": 2} | ({"cursor": cursor} if cursor else {})
            )
            body = answer.json()
            seen += [(i["device_id"], i["metric"], i["value"]) for i in body["items"]]
            assert body["live"]["topic"] == "telemetry.latest"
            if (cursor := body["next_cursor"]) is None:
                break
        some = (await http.get("/api/telemetry/latest?device_ids=dev-1,dev-2&device_ids=dev-3&metrics=b")).json()
        wrong = [
            await http.get("/api/telemetry/latest", params=p)
            for p in ({"limit": 0}, {"limit": "x"}, {"cursor": "???"}, {"cursor": "AAAA"}, {"device_id": "dev-1"})
        ]
    assert seen == [(f"dev-{n}", m, v) for n in range(5) for m, v in (("a", n), ("b", -n))]
    assert [(i["device_id"], i["value"]) for i in some["items"]] == [("dev-1", -1), ("dev-2", -2), ("dev-3", -3)]
    assert [a.status_code for a in wrong] == [422] * 5


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_of_history_are_exactly_the_rows_in_order(world, order: str) -> None:
    user = await world.user("operator")
    await world.device("dev-1", user)
    start = 1_790_000_000_000
    for metric in ("a", "b", "c"):
        await world.store("dev-1", metric, *range(100), start_ms=start)
    async with world.gateway() as gateway, gateway.http(user) as http:
        seen, cursor, pages = [], None, 0
        while True:
            asked = {"device_id": "dev-1", "metric": ["a", "b"], "limit": 7, "order": order}
            body = (
                await http.get("/api/telemetry/history", params=asked | ({"cursor": cursor} if cursor else {}))
            ).json()
            seen += [(i["ts"], i["metric"]) for i in body["items"]]
            pages += 1
            if (cursor := body["next_cursor"]) is None:
                break
    expected = sorted((start + n * 1000, m) for n in range(100) for m in ("a", "b"))
    assert sorted(seen) == expected
    assert len(set(seen)) == 200
    assert [ts for ts, _ in seen] == sorted((ts for ts, _ in seen), reverse=order == "desc")
    assert pages == 29
    assert body["live"]["topic"] == "telemetry.raw"


async def test_history_keeps_its_bounds_and_its_types(world) -> None:
    user = await world.user("operator")
    await world.device("dev-1", user)
    start = 1_790_000_000_000
    await world.store("dev-1", "a", *range(10), start_ms=start)
    series = await world.db.fetchval(
        "insert into telemetry.series (client_id, metric_key) values ('dev-1', 'mixed') returning id"
    )
    rows = [(1, None, 2**60 + 1, None, None), (2, None, None, True, None), (3, None, None, None, "läuft")]
    for seq, value, whole, flag, text in rows:
        await world.db.execute(
            "insert into telemetry.sample (recorded_at, received_at, seq, value, whole, flag, text, series_id, epoch,"
            " suspect) values ($1, $1, $2, $3, $4, $5, $6, $7, 0, true)",
            datetime.fromtimestamp(start / 1000, UTC), seq, value, whole, flag, text, series,
        )  # fmt: skip
    async with world.gateway() as gateway, gateway.http(user) as http:
        iso = datetime.fromtimestamp(start / 1000 + 2, UTC).isoformat()
        bounds = {"device_id": "dev-1", "metric": "a", "from": iso, "to": start + 5_000, "order": "asc"}
        body = (await http.get("/api/telemetry/history", params=bounds)).json()
        mixed = (await http.get("/api/telemetry/history?device_id=dev-1&metric=mixed&order=asc")).json()
        none = (await http.get("/api/telemetry/history?device_id=dev-1&metric=nothing")).json()
        wrong = [
            await http.get("/api/telemetry/history", params={"device_id": "dev-1"} | p)
            for p in (
                {"limit": 5001},
                {"order": "up"},
                {"from": "x"},
                {"cursor": "!"},
                {"agg": "mode"},
                {"metric": "a b"},
            )
        ]
        missing = await http.get("/api/telemetry/history")
    assert [i["value"] for i in body["items"]] == [2, 3, 4]
    assert [(i["value"], i["quality"]) for i in mixed["items"]] == [
        (2**60 + 1, "suspect"),
        (True, "suspect"),
        ("läuft", "suspect"),
    ]
    assert none["items"] == []
    assert [a.status_code for a in wrong] == [422] * 6
    assert missing.status_code == 422


async def test_the_summary_counts_what_the_socket_counts(world, wait_until) -> None:
    user = await world.user("operator")
    for n in range(3):
        await world.device(f"dev-{n}", user)
    async with world.gateway() as gateway, gateway.http(user) as http, gateway.socket(user) as client:
        await world.status("dev-0", status="ONLINE", buffered=5, last_seen=9)
        await world.status("dev-1", status="OFFLINE", buffered=6, last_seen=10)
        await wait_until(lambda: gateway.gateway.desk.state.book.count(None).buffered == 11)
        body = (await http.get("/api/dashboard/summary")).json()
        await client.subscribe("system")
        await wait_until(lambda: "summary" in client.state())
        live = body.pop("live")
        assert client.state()["summary"] == body
    assert live["topic"] == "system"
    figures = ("devices", "active_devices", "offline_devices", "buffered_records", "last_seen", "last_sync")
    assert [body[name] for name in figures] == [3, 1, 2, 11, 10, None]


async def test_the_summary_says_how_much_room_there_is(world, wait_until) -> None:
    user = await world.user("operator")
    await world.db.execute("truncate telemetry.storage_day")
    async with world.gateway() as gateway, gateway.http(user) as http:
        assert (await http.get("/api/dashboard/summary")).json()["storage"] is None
    await world.db.execute(
        "insert into telemetry.storage_day (day, measured_at, raw_bytes, minute_bytes, hour_bytes, other_bytes,"
        " used_bytes, capacity_bytes, state, days_left)"
        " select date '2026-11-19' + n, timestamptz '2026-11-19 06:00Z' + n * interval '1 day', 1, 1, 1, 1, 800 + 50 * n,"
        " 1000, 'warning', 3.5 - n from generate_series(0, 1) n"
    )
    async with world.gateway() as gateway, gateway.http(user) as http, gateway.socket(user) as client:
        await client.subscribe("system", interval_ms=0)
        await wait_until(lambda: client.state()["summary"]["storage"])
        body = (await http.get("/api/dashboard/summary")).json()
    assert body["storage"] == client.state()["summary"]["storage"]
    assert body["storage"] == {"state": "warning", "days_left": 2.5, "used_share": 0.85, "measured_at": 1795154400000}


async def test_a_database_that_is_away_is_503_and_sockets_stay(world, postgres_server, wait_until) -> None:
    user = await world.user("operator")
    await world.device("dev-1", user)
    async with world.gateway() as gateway, gateway.http(user) as http, gateway.socket(user) as client:
        await client.subscribe("telemetry.raw", interval_ms=0)
        postgres_server.stop()
        try:
            answer = await http.get("/api/telemetry/history?device_id=dev-1")
            assert answer.status_code == 503
            assert answer.headers["content-type"] == "application/problem+json"
            assert (await http.get("/readyz")).json()["dependencies"]["postgresql"]["ok"] is False
            await world.announce(("dev-1", {"m": 1}))
            await wait_until(client.rows)
        finally:
            postgres_server.start()
        await client.ask(type="ping")
        async with httpx.AsyncClient(base_url=f"http://{gateway.address}", headers=user.bearer) as again:
            end = time.monotonic() + 10
            while (await again.get("/api/telemetry/history?device_id=dev-1")).status_code != 200:
                assert time.monotonic() < end


async def test_metrics_and_documents_are_there(world, wait_until) -> None:
    user = await world.user("operator")
    await world.device("dev-1", user)
    async with world.gateway() as gateway, gateway.http() as http, gateway.socket(user) as client:
        await client.subscribe("telemetry.raw", interval_ms=0, since={"epoch": "x", "offset": "1-1"})
        await world.announce(("dev-1", {"m": 1}))
        await wait_until(client.rows)
        metrics = (await http.get("/metrics")).text
        asyncapi = (await http.get("/api/live/asyncapi.json")).json()
        openapi = (await http.get("/api/openapi.json")).json()
        docs = await http.get("/api/docs")
        plain = await http.get("/")
    for line in (
        'gateway_connections{state="authenticated"} 1.0',
        'gateway_frames_sent_total{type="data"} 1.0',
        'gateway_resumes_total{outcome="epoch"} 1.0',
        "gateway_slow_closes_total 0.0",
        "gateway_fanout_seconds_count 1.0",
        'gateway_stream_connected{stream="pulse:telemetry"} 1.0',
    ):
        assert line in metrics
    assert asyncapi["asyncapi"] == "3.0.0"
    assert {"/api/telemetry/latest", "/api/telemetry/history", "/api/dashboard/summary"} <= set(openapi["paths"])
    assert docs.status_code == plain.status_code == 200
    assert "PrecisionPulse is running" in plain.text
    assert "script-src 'self'" in plain.headers["content-security-policy"]
