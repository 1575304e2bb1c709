"""What every answer of a running stack carries, through the one door and straight: headers, origins, bounds, limits."""

import re
from html.parser import HTMLParser
from urllib.parse import urljoin

import pytest

SERVICES = ("identity", "gateway", "ingest", "sync", "commands", "alerts")
ONCE = (
    "content-security-policy", "x-content-type-options", "x-frame-options", "referrer-policy", "permissions-policy",
    "cache-control", "x-request-id", "cross-origin-resource-policy",
)  # fmt: skip
MIB = 1024 * 1024


class Page(HTMLParser):
    """What a page loads, and whether anything in it is inline."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.inline: list[str] = []
        self._in_script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.loaded += [value for name in ("src", "href") if (value := found.get(name)) is not None and tag != "a"]
        self.inline += [name for name in found if name.startswith("on")]
        self._in_script = tag == "script" and "src" not in found

    def handle_data(self, data: str) -> None:
        if self._in_script and data.strip():
            self.inline.append(data)


def policy(text: str) -> dict[str, set[str]]:
    """The directives of a content security policy."""
    return {words[0]: set(words[1:]) for part in text.split(";") if (words := part.split())}


@pytest.mark.parametrize("service", SERVICES)
def test_every_answer_of_the_api_is_dressed_once(guarded, service: str) -> None:
    url, admin = guarded.url(service), guarded.headers("admin")
    answers = [
        guarded.http.get(url + "/health"),
        guarded.http.get(url + "/api/nothing"),
        guarded.http.get(url + "/api/openapi.json"),
        guarded.http.post(url + "/api/telemetry", content=b"{", headers=admin),
    ]
    if service != "ingest":
        answers += [guarded.http.get(url + "/api/profile", headers=admin), guarded.http.get(url + "/api/profile")]
    for answer in answers:
        where = (service, str(answer.url), answer.status_code)
        for name in ONCE:
            assert len(answer.headers.get_list(name)) == 1, (where, name)
        found = policy(answer.headers["content-security-policy"])
        assert found["default-src"] == {"'none'"}, where
        assert found["frame-ancestors"] == found["base-uri"] == found["form-action"] == {"'none'"}, where
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "camera=()" in answer.headers["permissions-policy"]
        assert answer.headers["cache-control"] == "no-store", where
        assert "strict-transport-security" not in answer.headers, "only behind TLS"
        assert "server" not in answer.headers


def test_a_release_is_asked_for_without_a_person_and_nothing_else_of_its_directory_is_there(guarded) -> None:
    url = guarded.url("gateway") + "/api/releases/"
    for path in ("manifest", "files/precisionpulse_9.9.9_amd64.deb", "files/..%2F..%2Fetc%2Fpasswd", "files/%2e%2e"):
        answer = guarded.http.get(url + path)
        assert answer.status_code == 404, path
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_behind_tls_every_answer_asks_for_tls(guarded) -> None:
    """The gateway believes the proxy in front of it, the owner believes the gateway."""
    headers = guarded.headers("admin") | {"X-Forwarded-Proto": "https"}
    for path in ("/health", "/api/profile", "/", "/api/docs"):
        found = guarded.http.get(guarded.url("gateway") + path, headers=headers).headers.get_list(
            "strict-transport-security"
        )
        assert found == ["max-age=31536000; includeSubDomains"], path


def test_answers_with_secrets_are_kept_by_nobody(guarded) -> None:
    url, headers = guarded.url("gateway"), guarded.headers("operator")
    made = guarded.http.post(url + "/api/devices", json={}, headers=headers)
    code = guarded.http.post(url + "/api/devices/enrolment-codes", json={}, headers=headers)
    rotated = guarded.http.post(f"{url}/api/devices/{made.json()['id']}/rotate-key", headers=headers)
    csv = guarded.http.post(
        url + "/api/devices/import", content="name\nP\n", headers=headers | {"Content-Type": "text/csv"}
    )
    for answer in (made, code, rotated, csv):
        assert answer.status_code in {200, 201}, answer.text
        assert answer.headers.get_list("cache-control") == ["no-store"]


@pytest.mark.parametrize("path", ["/api/docs", "/"])
def test_pages_work_under_their_own_policy(guarded, path: str) -> None:
    url = guarded.url("gateway")
    answer = guarded.http.get(url + path)
    found = policy(answer.headers["content-security-policy"])
    assert found["script-src"] == {"'self'"}
    assert found["frame-ancestors"] == {"'none'"}
    page = Page(answer.text)
    assert page.inline == []
    for loaded in page.loaded:
        assert not re.match(r"(https?:)?//", loaded), "everything comes from here"
        part = guarded.http.get(urljoin(url + path, loaded))
        assert part.status_code == 200, loaded
        assert part.headers["x-content-type-options"] == "nosniff"
        kinds = {
            ".js": "text/javascript",
            ".css": "text/css",
            ".png": "image/png",
            ".svg": "image/svg+xml",
            ".webmanifest": "application/manifest+json",
        }
        assert part.headers["content-type"].startswith(kinds[loaded[loaded.rindex(".") :]]), loaded


@pytest.mark.parametrize("service", SERVICES)
def test_without_a_list_no_other_origin_reads_anything(guarded, service: str) -> None:
    url = guarded.url(service)
    evil = {"Origin": "https://evil.example"}
    asked = guarded.http.options(url + "/api/telemetry", headers=evil | {"Access-Control-Request-Method": "POST"})
    assert (asked.status_code, asked.json()["code"]) == (400, "cross_origin")
    for answer in (asked, guarded.http.get(url + "/health", headers=evil)):
        assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_a_large_import_reaches_its_owner_and_one_too_large_is_told_the_owners_bound(guarded) -> None:
    headers = guarded.headers("operator") | {"Content-Type": "text/csv"}
    url = guarded.url("gateway") + "/api/devices/import"
    taken = guarded.http.post(url, content=b"nonsense\n" + b"x\n" * MIB, headers=headers)
    assert (taken.status_code, taken.json()["code"]) == (422, "bad_csv_header")
    for content in (b"x" * (9 * MIB), iter([b"x" * MIB] * 9)):
        refused = guarded.http.post(url, content=content, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (413, "too_large")
        assert f"{8 * MIB} bytes" in refused.json()["detail"]
    small = guarded.http.post(guarded.url("gateway") + "/api/users", content=b"x" * (2 * MIB), headers=headers)
    assert small.status_code == 413
    assert f"{MIB} bytes" in small.json()["detail"]


@pytest.mark.parametrize("service", SERVICES)
def test_every_counted_operation_declares_429(guarded, service: str) -> None:
    for path, operations in guarded.document(service)["paths"].items():
        for method, operation in operations.items():
            assert ("429" in operation["responses"]) == ("x-rate-class" in operation), (method, path)


def test_what_takes_or_makes_credentials_is_counted_strictly(guarded) -> None:
    strict = {
        f"{method.upper()} {path}"
        for path, operations in guarded.document("identity")["paths"].items()
        for method, operation in operations.items()
        if operation.get("x-rate-class") == "credentials"
    }
    assert strict == {
        "POST /api/auth/login", "POST /api/auth/refresh", "POST /api/auth/logout", "POST /api/auth/register",
        "GET /api/auth/oidc/login", "GET /api/auth/oidc/callback", "PUT /api/profile/password", "POST /api/devices/enroll",
    }  # fmt: skip


def test_what_gateway_and_ingest_change_is_known(guarded) -> None:
    """A route more is a decision more: whose data it changes, and whether the audit log has to be told."""
    changing = {
        f"{method.upper()} {path}"
        for service in ("gateway", "ingest")
        for path, operations in guarded.document(service)["paths"].items()
        for method in operations
        if method != "get"
    }
    own = {
        "POST /api/dashboards",
        "PUT /api/dashboards/{dashboard_id}",
        "DELETE /api/dashboards/{dashboard_id}",
        "PUT /api/preferences",
        "DELETE /api/telemetry/exports/{export_id}",
    }
    told = {
        "POST /api/telemetry/exports",
        "POST /api/report-schedules",
        "PUT /api/report-schedules/{schedule_id}",
        "DELETE /api/report-schedules/{schedule_id}",
        "POST /api/report-schedules/{schedule_id}/send",
        "PUT /api/retention/{device_id}/{metric}",
        "DELETE /api/retention/{device_id}/{metric}",
    }
    assert changing == {"POST /api/telemetry"} | own | told
