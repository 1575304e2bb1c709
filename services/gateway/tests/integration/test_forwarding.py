"""The one door: what goes through unchanged, what is kept back, and who is named when nobody answers."""

import asyncio
import gzip
import json
from contextlib import asynccontextmanager

import pytest
import uvicorn

from pulse_contracts.identity_sync import OPERATIONS_PATH, RESTORES_PATH, VERIFIERS_PATH
from pulse_local.ports import free_ports


class Owner:
    """A service behind the gateway that says what reached it. Its answers depend on the path."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"]
        self.paths.append(scope["raw_path"].decode())
        if path.endswith("/hang"):
            await asyncio.sleep(30)
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if path.endswith("/stream"):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for n in range(3):
                await send({"type": "http.response.body", "body": f"part-{n};".encode(), "more_body": True})
                await asyncio.sleep(0.05)
            await send({"type": "http.response.body", "body": b""})
            return
        said = {
            "method": scope["method"],
            "path": scope["raw_path"].decode(),
            "query": scope["query_string"].decode(),
            "headers": [[k.decode(), v.decode()] for k, v in scope["headers"]],
            "body": body.decode(),
        }
        answer = gzip.compress(json.dumps(said).encode())
        headers = [
            (b"content-type", b"application/json"),
            (b"content-encoding", b"gzip"),
            (b"content-length", str(len(answer)).encode()),
            (b"set-cookie", b"a=1; HttpOnly"),
            (b"set-cookie", b"b=2"),
            (b"x-hop", b"secret"),
            (b"connection", b"x-hop"),
            (b"etag", b'"1"'),
            (b"vary", b"Origin"),
            (b"access-control-allow-origin", b"https://theirs.example"),
            (b"access-control-allow-credentials", b"true"),
        ]
        await send({"type": "http.response.start", "status": 207, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer})


@asynccontextmanager
async def running(app):
    (port,) = free_ports(1)
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, lifespan="off", ws="none")
    )
    server.capture_signals = lambda: __import__("contextlib").nullcontext()
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = server.force_exit = True
    await serving


@pytest.fixture
async def owner():
    app = Owner()
    async with running(app) as url:
        app.url = url
        yield app


async def test_requests_and_answers_pass_whole(world, owner) -> None:
    async with world.gateway(gateway_ingest_url=owner.url) as gateway, gateway.http() as http:
        answer = await http.post(
            "/api/telemetry?a=1&a=2&b=%20x",
            content=b'{"x":1}',
            headers={
                "Authorization": "Bearer t",
                "Cookie": "c=1",
                "X-Forwarded-For": "6.6.6.6",
                "X-Forwarded-Host": "evil",
                "Forwarded": "for=6.6.6.6",
                "X-Hop": "dropped",
                "Connection": "keep-alive, X-Hop",
                "TE": "trailers",
                "X-Request-ID": "my-request",
            },
        )
    said = answer.json()
    sent = dict(said["headers"])
    assert answer.status_code == 207
    assert (said["method"], said["path"], said["query"], said["body"]) == (
        "POST",
        "/api/telemetry",
        "a=1&a=2&b=%20x",
        '{"x":1}',
    )
    assert sent["authorization"] == "Bearer t"
    assert sent["cookie"] == "c=1"
    assert sent["x-forwarded-host"] == gateway.address
    assert sent["x-forwarded-proto"] == "http"
    assert sent["x-request-id"] == answer.headers["x-request-id"] == "my-request"
    assert not {"x-hop", "te", "forwarded"} & set(sent)
    assert [v for k, v in answer.headers.multi_items() if k == "set-cookie"] == ["a=1; HttpOnly", "b=2"]
    assert answer.headers["etag"] == '"1"'
    assert "x-hop" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_cookie_that_one_caller_was_given_is_never_sent_for_another(world, owner) -> None:
    async with world.gateway(gateway_identity_url=owner.url) as gateway:
        async with gateway.http() as somebody:
            given = await somebody.post("/api/auth/login", json={})
        async with gateway.http() as stranger:
            answer = await stranger.post("/api/auth/refresh", json={})
    assert given.headers.get_list("set-cookie") == ["a=1; HttpOnly", "b=2"]
    assert "cookie" not in dict(answer.json()["headers"])


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "POST"])
async def test_every_method_of_a_prefix_is_its_owners(world, owner, method: str) -> None:
    async with world.gateway(gateway_identity_url=owner.url) as gateway, gateway.http() as http:
        for path in ("/api/users", "/api/users/1/toggle-status", "/api/devices/a%2Fb"):
            answer = await http.request(method, path)
            assert answer.status_code == 207
            if method != "HEAD":
                assert (answer.json()["method"], answer.json()["path"]) == (method, path)


@pytest.mark.parametrize(
    "path",
    [
        "/api/users/../../metrics",
        "/api/users/%2e%2e/%2E%2E/metrics",
        "/api/users/./x",
        "/api/users/..%2f..%2fmetrics",
        "/api/users/..%5cx",
    ],
)
async def test_no_path_leads_out_of_its_prefix(world, owner, path: str) -> None:
    async with world.gateway(gateway_identity_url=owner.url) as gateway:
        reader, writer = await asyncio.open_connection(*gateway.address.split(":"))
        writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        assert b" 404 " in answer.splitlines()[0]
        assert b"application/problem+json" in answer
        assert path not in owner.paths


async def test_an_answer_is_passed_on_as_it_comes(world, owner) -> None:
    async with (
        world.gateway(gateway_identity_url=owner.url) as gateway,
        gateway.http() as http,
        http.stream("GET", "/api/users/stream") as answer,
    ):
        parts = [part async for part in answer.aiter_text()]
    assert "".join(parts) == "part-0;part-1;part-2;"
    assert len(parts) == 3


async def chunks(count: int):
    for _ in range(count):
        yield b"x" * 65_536


async def test_how_large_a_body_may_be_is_its_owners_business(world, owner) -> None:
    async with world.gateway(gateway_identity_url=owner.url) as gateway, gateway.http() as http:
        streamed = await http.post("/api/devices/import", content=chunks(40))
        declared = await http.post("/api/devices/import", content=b"x" * 40 * 65_536)
    assert len(streamed.json()["body"]) == len(declared.json()["body"]) == 40 * 65_536


async def test_no_body_is_endless(world, owner, monkeypatch) -> None:
    from pulse_gateway.http import forwarding

    monkeypatch.setattr(forwarding, "MAX_BODY_BYTES", 1_000_000)
    async with world.gateway(gateway_ingest_url=owner.url) as gateway, gateway.http() as http:
        good = await http.post("/api/telemetry", content=chunks(15))
        large = await http.post("/api/telemetry", content=chunks(40))
    assert len(good.json()["body"]) == 15 * 65_536
    assert large.status_code == 413
    assert "1000000 bytes" in large.json()["detail"]


async def test_a_body_that_nobody_reads_is_not_taken_into_memory(world, owner) -> None:
    sent = 0

    async def counted(total: int):
        nonlocal sent
        for _ in range(total // 65_536):
            sent += 65_536
            yield b"x" * 65_536

    # The owner sleeps before it reads; both sides' sockets hold some megabytes, the gateway nothing that grows.
    async with world.gateway(gateway_identity_url=owner.url) as gateway, gateway.http() as http:
        sending = asyncio.create_task(http.post("/api/users/hang", content=counted(60 * 1024 * 1024)))
        seen = -1
        while seen != sent or sent == 0:
            seen = sent
            await asyncio.sleep(0.3)
        assert sent < 40 * 1024 * 1024
        sending.cancel()
        await asyncio.wait({sending})


async def test_what_an_owner_says_about_origins_is_the_doors_to_say(world, owner) -> None:
    ours, theirs = {"Origin": "https://ours.example"}, {"Origin": "https://theirs.example"}
    async with (
        world.gateway(gateway_identity_url=owner.url, allowed_origins="https://ours.example") as gateway,
        gateway.http() as http,
    ):
        answer = await http.get("/api/users", headers=ours)
        assert answer.headers.get_list("access-control-allow-origin") == ["https://ours.example"]
        assert answer.headers.get_list("access-control-allow-credentials") == ["true"]
        assert answer.headers.get_list("vary") == ["Origin"]
        assert dict(answer.json()["headers"])["origin"] == "https://ours.example"
        answer = await http.get("/api/users", headers=theirs)
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        asked = {"Access-Control-Request-Method": "PATCH"}
        before = len(owner.paths)
        assert (await http.options("/api/users/1", headers=ours | asked)).status_code == 200
        refused = await http.options("/api/users/1", headers=theirs | asked)
        assert (refused.status_code, refused.json()["code"]) == (400, "cross_origin")
        assert len(owner.paths) == before


async def test_what_is_forwarded_is_counted_by_its_owner_alone(world, owner) -> None:
    async with (
        world.gateway(gateway_identity_url=owner.url, rate_limits="read=2/3600,write=1/3600") as gateway,
        gateway.http() as http,
    ):
        assert [(await http.post("/api/users")).status_code for _ in range(4)] == [207] * 4
        assert [(await http.get("/api/dashboard/summary")).status_code for _ in range(4)] == [401, 401, 429, 429]


async def test_who_is_not_there_is_named(world, monkeypatch) -> None:
    from pulse_gateway.http import forwarding

    (port,) = free_ports(1)
    hanging = Owner()
    async with running(hanging) as url:
        monkeypatch.setattr(forwarding, "TIMEOUT", forwarding.httpx.Timeout(0.3))
        broken = await asyncio.start_server(lambda _r, w: (w.write(b"nonsense\r\n\r\n"), w.close()), "127.0.0.1", 0)
        broken_url = f"http://127.0.0.1:{broken.sockets[0].getsockname()[1]}"
        urls = {
            "gateway_ingest_url": f"http://127.0.0.1:{port}",
            "gateway_sync_url": url,
            "gateway_alerts_url": broken_url,
        }
        async with world.gateway(**urls) as gateway, gateway.http() as http:
            cases = [
                (await http.post("/api/telemetry", json={}), 502, "ingest"),
                (await http.get("/api/sync/hang"), 504, "sync"),
                (await http.get("/api/alerts"), 502, "alerts"),
                (await http.get("/api/commands/1"), 503, "commands"),
            ]
            for answer, status, name in cases:
                assert (answer.status_code, name in answer.json()["detail"]) == (status, True), answer.text
                assert answer.headers["content-type"] == "application/problem+json"
            summary = gateway.gateway.desk.state.summarise(None)
            assert summary.parts["ingest"].detail == "not reachable"
        broken.close()


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/api/sync/desktops", "sync"),
        ("/api/retention", "ingest"),
        ("/api/retention/-/plant%2Fa", "ingest"),
        ("/api/storage", "ingest"),
        ("/api/config", "sync"),
        ("/api/config/group/a%2Fb/log.level", "sync"),
        ("/api/commands", "commands"),
        ("/api/commands/1", "commands"),
        ("/api/alerts", "alerts"),
        ("/api/alert-rules/1", "alerts"),
        ("/api/alert-channels/1/test", "alerts"),
    ],
)
async def test_each_prefix_goes_to_the_service_that_owns_it(world, owner, path: str, service: str) -> None:
    async with world.gateway(**{f"gateway_{service}_url": owner.url}) as gateway, gateway.http() as http:
        answer = await http.put(path, json={"value": 1}, headers={"If-Match": '"1"', "Idempotency-Key": "k"})
    said = answer.json()
    passed = dict(said["headers"])
    assert (said["method"], said["path"], said["body"]) == ("PUT", path, '{"value":1}')
    assert (passed["if-match"], passed["idempotency-key"], answer.headers["etag"]) == ('"1"', "k", '"1"')


async def test_what_services_ask_each_other_is_not_passed_on(world, owner) -> None:
    services = {f"gateway_{name}_url": owner.url for name in ("identity", "commands", "sync")}
    async with world.gateway(**services) as gateway, gateway.http() as http:
        for path in (OPERATIONS_PATH, RESTORES_PATH, VERIFIERS_PATH):
            answer = await http.post(path, json={}, headers={"Authorization": "Bearer k"})
            assert answer.status_code in {404, 405}, path
    assert not [path for path in owner.paths if "internal" in path]


async def test_unknown_paths_and_methods_are_problems(world) -> None:
    async with world.gateway() as gateway, gateway.http() as http:
        for path in ("/api", "/api/", "/api/nothing", "/api/usersx", "/api/telemetry/nothing", "/nothing"):
            answer = await http.get(path)
            assert answer.status_code == 404, path
            assert answer.headers["content-type"] == "application/problem+json"
        assert (await http.get("/api/telemetry")).status_code == 405
        assert (await http.post("/api/telemetry/latest")).status_code == 405
        assert (await http.get("/api/openapi/nobody.json")).status_code == 404


async def test_a_built_dashboard_is_served_and_nothing_beside_it(world, tmp_path) -> None:
    dist = tmp_path / "dist"
    (dist / "assets").mkdir(parents=True)
    (dist / "index.html").write_text("<title>dashboard</title>")
    (dist / "assets" / "app-1a2b.js").write_text("1")
    (tmp_path / "secret.txt").write_text("secret")
    (dist / "link.txt").symlink_to(tmp_path / "secret.txt")
    async with world.gateway(gateway_dashboard_dir=dist) as gateway, gateway.http() as http:
        for path in ("/", "/devices", "/devices/dev-1"):
            answer = await http.get(path)
            assert "dashboard" in answer.text
            assert answer.headers["cache-control"] == "no-cache"
        script = await http.get("/assets/app-1a2b.js")
        assert "immutable" in script.headers["cache-control"]
        assert script.headers["content-type"].startswith("text/javascript")
        for path in (
            "/secret.txt",
            "/%2e%2e/secret.txt",
            "/..%2fsecret.txt",
            "/link.txt",
            "/missing.js",
            "/api/nothing",
        ):
            answer = await http.get(path)
            assert answer.status_code == 404, path
            assert "secret" not in answer.text
        assert (await http.get("/health")).json()["status"] == "ok"
