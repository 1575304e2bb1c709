"""Role × route, generated from each service's OpenAPI document: a new route is in it at once, one without a rule fails."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from pulse_contracts.permissions import BUILT_IN_ROLES

METHODS = ("get", "post", "put", "patch", "delete")
SERVICES = ("identity", "gateway", "ingest", "sync", "commands", "alerts")
KINDS = {"permission", "authenticated", "public", "declared"}
NOBODYS_UUID = "00000000-0000-4000-8000-000000000000"


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        yield from ((method, path, item[method]) for method in METHODS if method in item)


def filled(path: str, operation: dict[str, Any]) -> str:
    """The path with ids that belong to nothing."""
    formats = {p["name"]: p.get("schema", {}).get("format") for p in operation.get("parameters", ())}
    return re.sub(r"{(\w+)}", lambda m: NOBODYS_UUID if formats.get(m[1]) == "uuid" else "no-such-thing", path)


def is_expected(status: int, kind: str, detail: str, role: str) -> bool:
    if kind not in {"permission", "authenticated"}:
        return status < 500
    if role == "anonymous":
        return status == 401
    if kind == "permission" and detail not in {p.value for p in BUILT_IN_ROLES[role]}:
        return status == 403
    return status not in {401, 403} and status < 500


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_says_who_may_call_it(guarded, service: str) -> None:
    document = guarded.document(service)
    listed = list(operations(document))
    assert listed
    silent = [(m, p) for m, p, o in listed if o.get("x-access", {}).get("kind") not in KINDS]
    assert silent == []
    unexplained = [(m, p) for m, p, o in listed if not o["x-access"]["detail"]]
    assert unexplained == []


@pytest.mark.parametrize("role", ["anonymous", "viewer", "operator", "admin"])
@pytest.mark.parametrize("service", SERVICES)
def test_every_route_opens_for_exactly_the_roles_that_have_its_permission(guarded, service: str, role: str) -> None:
    wrong = []
    for method, path, operation in operations(guarded.document(service)):
        access = operation["x-access"]
        headers = guarded.headers(role)
        if access["kind"] == "authenticated" and method != "get" and role != "anonymous":
            # It may end sessions: those of somebody whom no other test needs.
            name, _ = guarded.add_person(role)
            headers = {"Authorization": f"Bearer {guarded.sign_in(name, 'violet harbour 42 lanterns')}"}
        url = guarded.url(service) + filled(path, operation)
        answer = guarded.http.request(method.upper(), url, headers=headers)
        if not is_expected(answer.status_code, access["kind"], access["detail"], role):
            wrong.append((method, path, access, answer.status_code, answer.text[:200]))
    assert wrong == [], json.dumps(wrong, indent=1)


def test_a_device_key_opens_nothing_but_the_way_in(guarded) -> None:
    made = guarded.http.post(guarded.url("identity") + "/api/devices", json={}, headers=guarded.headers("operator"))
    assert made.status_code == 201, made.text
    headers = {"Authorization": f"Bearer {made.json()['api_key']}", "X-API-Key": made.json()["api_key"]}
    opened = []
    for service in ("identity", "gateway"):
        for method, path, operation in operations(guarded.document(service)):
            if operation["x-access"]["kind"] in {"permission", "authenticated"}:
                answer = guarded.http.request(
                    method.upper(), guarded.url(service) + filled(path, operation), headers=headers
                )
                if answer.status_code != 401:
                    opened.append((method, path, answer.status_code))
    assert opened == []


def test_the_one_door_asks_like_the_owner_does(guarded) -> None:
    """Forwarding opens nothing: through the gateway the answers to nobody are identity's own."""
    wrong = []
    for method, path, operation in operations(guarded.document("identity")):
        if path.startswith("/api/") and operation["x-access"]["kind"] in {"permission", "authenticated"}:
            answer = guarded.http.request(method.upper(), guarded.url("gateway") + filled(path, operation))
            if answer.status_code != 401:
                wrong.append((method, path, answer.status_code))
    assert wrong == []
