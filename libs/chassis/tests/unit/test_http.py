"""Every answer of an app: problems, headers, limits, rules, and the document that declares them."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, WebSocket
from prometheus_client import CollectorRegistry
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import StreamingResponse

from pulse_chassis.bearer import (
    AccessRule,
    Authority,
    Principal,
    authenticated,
    declares_access,
    generate_signing_key,
    issue_access_token,
    public,
    public_jwk,
    requires,
    route_rules,
)
from pulse_chassis.errors import NotFoundError, RateLimitedError
from pulse_chassis.health import HealthRegistry
from pulse_chassis.http import create_app
from pulse_chassis.logging import current_correlation_id
from pulse_contracts.problem import Problem

KEY = generate_signing_key("k")
JSON = {"Content-Type": "application/json"}


class Reading(BaseModel):
    """A body."""

    value: float


async def _keys() -> dict[str, Any]:
    return {"keys": [public_jwk(KEY)]}


def _bearer(*permissions: str) -> dict[str, str]:
    token = issue_access_token(
        KEY,
        user_id=uuid4(),
        username="anna",
        roles=[],
        permissions=list(permissions),
        session_id=uuid4(),
        now=datetime.now(UTC),
    )
    return {"Authorization": f"Bearer {token}"}


@declares_access("device key or telemetry:write")
async def _sender(request: Request) -> str:
    return request.headers.get("X-Device", "nobody")


def _router() -> APIRouter:
    router = APIRouter(prefix="/api/things")

    @router.get("/{thing}")
    async def read_thing(thing: str, who: Annotated[Principal, Depends(requires("things:read"))]) -> dict[str, str]:
        return {"thing": thing, "who": who.username}

    @router.delete("/{thing}")
    async def delete_thing(thing: str, who: Annotated[Principal, Depends(authenticated())]) -> None:
        message = f"there is no thing {thing!r}"
        raise NotFoundError(message, code="unknown_thing")

    @router.post("/{thing}", dependencies=[Depends(public("a test"))])
    async def post_thing(thing: str, reading: Reading) -> Reading:
        return reading

    @router.put("/raw", dependencies=[Depends(_sender)])
    async def put_raw(request: Request) -> int:
        return len(await request.body())

    @router.get("", dependencies=[Depends(public("a test"))])
    async def fail() -> str:
        message = "canary of the inside"
        raise ValueError(message)

    @router.patch("", dependencies=[Depends(public("a test"))])
    async def slow_down() -> str:
        message = "later"
        raise RateLimitedError(message, retry_after=1.2)

    @router.get("/forgotten/rule")
    async def forgotten() -> str | None:
        return current_correlation_id()

    @router.get("/half/way", dependencies=[Depends(public("a test"))])
    async def break_off() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"one"
            message = "half way"
            raise ValueError(message)

        return StreamingResponse(pieces())

    return router


@pytest.fixture
def health() -> HealthRegistry:
    return HealthRegistry()


@pytest.fixture
def app(health: HealthRegistry) -> FastAPI:
    made = create_app(
        service="things",
        title="Things",
        version="1.0",
        health=health,
        metrics_registry=CollectorRegistry(),
        authority=Authority(_keys),
        max_body_bytes=1000,
    )
    made.include_router(_router())

    @made.websocket("/ws")
    async def socket(websocket: WebSocket) -> None:
        await websocket.close()

    return made


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as made:
        yield made


def _problem(answer: httpx.Response) -> Problem:
    assert answer.headers["content-type"] == "application/problem+json"
    problem = Problem.model_validate_json(answer.content)
    assert problem.status == answer.status_code
    assert problem.instance == answer.headers["x-request-id"]
    return problem


async def test_anonymous_is_401_then_403_then_200(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/things/1")
    assert _problem(answer).code == "unauthorized"
    assert answer.headers["www-authenticate"] == "Bearer"
    answer = await client.get("/api/things/1", headers={"Authorization": "Bearer x.y.z"})
    assert _problem(answer).status == 401
    answer = await client.get("/api/things/1", headers={"Authorization": "Basic YTpi"})
    assert _problem(answer).status == 401
    answer = await client.get("/api/things/1", headers=_bearer("things:write"))
    assert (_problem(answer).code, _problem(answer).status) == ("forbidden", 403)
    answer = await client.get("/api/things/1", headers=_bearer("things:read"))
    assert answer.json() == {"thing": "1", "who": "anna"}


async def test_errors_raised_on_purpose_become_their_problem(client: httpx.AsyncClient) -> None:
    problem = _problem(await client.delete("/api/things/x", headers=_bearer()))
    assert (problem.code, problem.detail) == ("unknown_thing", "there is no thing 'x'")
    answer = await client.patch("/api/things")
    assert _problem(answer).retry_after == 1.2
    assert answer.headers["retry-after"] == "2"


async def test_an_unforeseen_error_is_500_without_its_inside(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/things")
    assert (_problem(answer).status, _problem(answer).code) == (500, "internal")
    assert "canary" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_an_answer_that_breaks_off_is_not_made_whole(client: httpx.AsyncClient) -> None:
    with pytest.raises(ValueError, match="half way"):
        await client.get("/api/things/half/way")


@pytest.mark.parametrize(
    ("content", "status", "field"),
    [
        (b'{"value": "canary"}', 422, "body.value"),
        (b"{}", 422, "body.value"),
        (b"[]", 422, "body"),
        (b'{"value"', 422, "body.8"),
        (b"", 422, "body"),
        (b"\xff\xfe\xff", 400, None),
        (b"[" * 900, 422, "body.900"),
        (b'{"value": "\\ud800"}', 422, "body.value"),
    ],
)
async def test_a_body_of_the_wrong_form_is_a_problem_with_its_place(
    client: httpx.AsyncClient, content: bytes, status: int, field: str | None
) -> None:
    answer = await client.post("/api/things/1", content=content, headers=JSON)
    problem = _problem(answer)
    assert problem.status == status
    assert (problem.errors[0].field if problem.errors else None) == field
    assert "canary" not in answer.text


async def test_deep_nesting_is_refused_and_not_a_crash(app: FastAPI) -> None:
    deep = create_app(
        service="deep",
        title="Deep",
        version="1",
        health=HealthRegistry(),
        metrics_registry=CollectorRegistry(),
        authority=None,
    )
    deep.include_router(_router())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(deep), base_url="http://test") as client:
        answer = await client.post("/api/things/1", content=b"[" * 500_000, headers=JSON)
    assert _problem(answer).status in {400, 422}


async def test_what_the_router_answers_is_a_problem_too(client: httpx.AsyncClient) -> None:
    assert _problem(await client.get("/nowhere")).code == "not_found"
    assert _problem(await client.get("/api/things/")).code == "not_found"
    answer = await client.options("/api/things/1")
    assert _problem(answer).code == "method_not_allowed"
    assert answer.headers["allow"] == "DELETE, GET, POST"


async def test_a_body_above_the_bound_is_refused_whatever_it_declares(client: httpx.AsyncClient) -> None:
    async def pieces(count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b"1" * 100

    for path in ("/api/things/1", "/api/things/raw"):
        method = "PUT" if path.endswith("raw") else "POST"
        declared = await client.request(method, path, content=b"1" * 1001, headers=JSON)
        streamed = await client.request(method, path, content=pieces(11), headers=JSON)
        assert [_problem(answer).code for answer in (declared, streamed)] == ["too_large", "too_large"]
    assert (await client.put("/api/things/raw", content=pieces(10))).json() == 1000


@pytest.mark.parametrize(("given", "is_kept"), [("abc-1.2:3_x", True), ("a b", False), ("x" * 65, False), ("", False)])
async def test_a_request_id_is_kept_if_well_formed_and_bound_to_the_logs(
    client: httpx.AsyncClient, given: str, is_kept: bool
) -> None:
    answer = await client.get("/api/things/forgotten/rule", headers={"X-Request-ID": given})
    request_id = answer.headers["x-request-id"]
    assert (request_id == given) is is_kept
    assert answer.json() == request_id


async def test_every_answer_has_the_security_headers(client: httpx.AsyncClient) -> None:
    for path in ("/health", "/nowhere", "/api/things", "/api/things/1"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in headers
    secure = await client.get("https://test/health")
    assert secure.headers["strict-transport-security"].startswith("max-age=")


async def test_readiness_names_what_is_down_and_health_does_not_care(
    client: httpx.AsyncClient, health: HealthRegistry
) -> None:
    async def broken() -> None:
        message = "connection refused"
        raise ConnectionError(message)

    assert (await client.get("/readyz")).json() == {"status": "ok", "dependencies": {}}
    health.add("postgresql", broken)
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "unavailable",
        "dependencies": {"postgresql": {"ok": False, "detail": "connection refused"}},
    }
    assert (await client.get("/health")).json() == {"status": "ok", "service": "things"}


async def test_metrics_count_by_route_template_and_never_by_path(client: httpx.AsyncClient) -> None:
    for number in range(3):
        await client.get(f"/api/things/{number}")
    await client.get("/secret/path")
    await client.request("BREW", "/api/things/1")
    text = (await client.get("/metrics")).text
    assert 'http_requests_total{method="GET",route="/api/things/{thing}",status="401"} 3.0' in text
    assert "/secret/path" not in text
    assert "BREW" not in text


async def test_the_docs_need_nobody_else(client: httpx.AsyncClient) -> None:
    page = await client.get("/api/docs")
    assert page.status_code == 200
    assert "http" not in page.text.replace("http-equiv", "")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "favicon.png", "start.js"):
        assert (await client.get(f"/api/docs/{name}")).status_code == 200


def test_a_route_without_a_rule_is_found(app: FastAPI) -> None:
    rules = {(method, path): rule for method, path, rule in route_rules(app)}
    assert {key for key, rule in rules.items() if rule is None} == {
        ("WEBSOCKET", "/ws"),
        ("GET", "/api/things/forgotten/rule"),
    }
    assert rules["GET", "/api/things/{thing}"] == AccessRule("permission", "things:read")
    assert rules["DELETE", "/api/things/{thing}"] == AccessRule("authenticated", "any signed-in user")
    assert rules["POST", "/api/things/{thing}"] == AccessRule("public", "a test")
    assert rules["PUT", "/api/things/raw"] == AccessRule("declared", "device key or telemetry:write")


def test_the_document_declares_every_kind_of_answer(app: FastAPI) -> None:
    document = app.openapi()
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            # "default" would declare every answer, and a fuzzer could never find one that is not declared.
            assert "default" not in operation["responses"], path
            assert operation["responses"]["503"]["content"] == problem or path == "/readyz"
    thing = document["paths"]["/api/things/{thing}"]
    assert thing["get"]["x-permission"] == "things:read"
    assert thing["get"]["x-access"] == {"kind": "permission", "detail": "things:read"}
    assert thing["post"]["x-access"] == {"kind": "public", "detail": "a test"}
    assert thing["get"]["security"] == [{"bearer": []}]
    assert {"401", "403", "422"} <= set(thing["get"]["responses"])
    assert thing["get"]["responses"]["422"]["content"] == problem
    assert {"409", "412", "428"} <= set(thing["delete"]["responses"])
    assert "409" not in thing["get"]["responses"]
    assert "security" not in thing["post"]
    assert "HTTPValidationError" not in json.dumps(document)


def test_every_reference_in_the_document_leads_somewhere(app: FastAPI) -> None:
    document = app.openapi()
    schemas = document["components"]["schemas"]
    for part in json.dumps(document).split('"#/components/schemas/')[1:]:
        assert part.split('"')[0] in schemas


async def test_a_guarded_route_of_an_app_without_authority_is_a_500(app: FastAPI, client: httpx.AsyncClient) -> None:
    app.state.authority = None
    assert (await client.get("/api/things/1", headers=_bearer("things:read"))).status_code == 500
