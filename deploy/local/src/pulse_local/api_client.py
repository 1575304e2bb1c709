"""The administrator's REST client: sign in, and what the CLI needs of devices. All through the one door."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import httpx

from pulse_local.errors import StackError
from pulse_local.stack_file import StackFile

_IMPORT_SECONDS = 300.0
_MISTAKES_SHOWN = 20


Parameters = Mapping[str, str | list[str]]


class ApiError(StackError):
    """The stack answered a request with a problem; `code` is the problem's own."""


class ApiClient:
    """A signed-in administrator; a context manager. One request at a time; signs in again when its token has ended."""

    def __init__(self, stack: StackFile) -> None:
        self._http = httpx.Client(base_url=stack.gateway_url, timeout=15.0, trust_env=False)
        self._admin = stack.admin

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def devices(self) -> list[dict[str, Any]]:
        """Return all devices, page by page."""
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            parameters = {"limit": "200", **({"cursor": cursor} if cursor else {})}
            page = self._call("GET", "/api/devices", parameters=parameters)
            found += page["items"]
            cursor = page.get("next_cursor")
            if not cursor:
                return found

    def add_device(self, device_id: str, name: str) -> dict[str, Any]:
        """Register a device; its API key is in the answer, and nowhere else ever again."""
        return self._call("POST", "/api/devices", {"id": device_id, "name": name})

    def import_devices(self, file: bytes) -> str:
        """Register the devices of a CSV file; return the answer's CSV, with each API key in it this once."""
        if "Authorization" not in self._http.headers:
            self._sign_in()
        try:
            answer = self._http.post(
                "/api/devices/import", content=file, headers={"Content-Type": "text/csv"}, timeout=_IMPORT_SECONDS
            )
        except httpx.HTTPError as error:
            raise ApiError("unreachable", f"The stack does not answer: {error}.", "See `pulse status`.") from error
        if answer.is_error:
            raise _import_problem(answer)
        return answer.text

    def rotate_key(self, device_id: str) -> dict[str, Any]:
        """Give a device a new API key."""
        return self._call("POST", f"/api/devices/{device_id}/rotate-key", {})

    def enrolment_code(self, device_id: str | None, name: str, kind: str) -> dict[str, Any]:
        """Make a one-time code with which an agent enrols itself."""
        return self._call("POST", "/api/devices/enrolment-codes", {"id": device_id, "name": name, "kind": kind})

    def summary(self) -> dict[str, Any]:
        """Return the dashboard's key figures."""
        return self._call("GET", "/api/dashboard/summary")

    def latest(self, device_id: str) -> dict[str, Any]:
        """Return a device's newest value of each metric."""
        page = self._call("GET", "/api/telemetry/latest", parameters={"device_ids": device_id})
        return {item["metric"]: item["value"] for item in page["items"]}

    def history(self, parameters: Parameters) -> dict[str, Any]:
        """Return stored readings, a page of them or series, as the parameters say."""
        return self._call("GET", "/api/telemetry/history", parameters=parameters)

    def ask_for_export(self, body: dict[str, Any]) -> dict[str, Any]:
        """Have a file written in the background."""
        return self._call("POST", "/api/telemetry/exports", body)

    def export_state(self, export_id: str) -> dict[str, Any]:
        """Return how far an export is."""
        return self._call("GET", f"/api/telemetry/exports/{export_id}")

    def delete_export(self, export_id: str) -> None:
        """Delete an export and its file."""
        self._call("DELETE", f"/api/telemetry/exports/{export_id}")

    @contextmanager
    def download(self, path: str, parameters: Parameters | None = None) -> Iterator[httpx.Response]:
        """Give an answer whose content is still to be read; one that breaks off is an ApiError."""
        if "Authorization" not in self._http.headers:
            self._sign_in()
        try:
            with self._http.stream("GET", path, params=parameters, timeout=_IMPORT_SECONDS) as answer:
                if answer.is_error:
                    answer.read()
                    raise _problem(answer)
                yield answer
        except httpx.HTTPError as error:
            raise ApiError(
                "broken_off", f"The answer broke off: {error}.", "What was written is not the whole; try again."
            ) from error

    def _sign_in(self) -> None:
        self._http.headers.pop("Authorization", None)
        answer = self._send("POST", "/api/auth/login", self._admin.model_dump())
        if answer.is_error:
            raise _problem(answer)
        self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def _call(
        self, method: str, path: str, body: object = None, parameters: Parameters | None = None
    ) -> dict[str, Any]:
        if "Authorization" not in self._http.headers:
            self._sign_in()
        answer = self._send(method, path, body, parameters)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            self._sign_in()
            answer = self._send(method, path, body, parameters)
        if answer.is_error:
            raise _problem(answer)
        return dict(answer.json()) if answer.content else {}

    def _send(self, method: str, path: str, body: object, parameters: Parameters | None = None) -> httpx.Response:
        try:
            return self._http.request(method, path, json=body, params=parameters)
        except httpx.HTTPError as error:
            raise ApiError("unreachable", f"The stack does not answer: {error}.", "See `pulse status`.") from error


def _import_problem(answer: httpx.Response) -> ApiError:
    """Return the problem with the rows that are wrong, as far as they fit on a screen."""
    problem = _problem(answer)
    try:
        errors = answer.json().get("errors") or []
        rows = [f"  {error['field']}: {error['message']}" for error in errors[:_MISTAKES_SHOWN]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return problem
    return ApiError(problem.code, "\n".join([str(problem), *rows])) if rows else problem


def _problem(answer: httpx.Response) -> ApiError:
    try:
        problem = answer.json()
        return ApiError(str(problem["code"]), str(problem.get("detail") or problem.get("title") or problem["code"]))
    except (ValueError, KeyError, TypeError):
        return ApiError("http_error", f"The stack answered {answer.status_code} to {answer.request.url.path}.")
