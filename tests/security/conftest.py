"""One real stack with a user of each built-in role, and the OpenAPI document of each service."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

SERVICES = ("identity", "gateway", "ingest", "sync", "commands", "alerts")
ROLES = ("anonymous", "viewer", "operator", "admin")
PASSWORD = "violet harbour 42 lanterns"


@dataclass
class Guarded:
    """The stack, its services and who can sign in to it."""

    description: dict[str, Any]
    data: Path
    http: httpx.Client
    tokens: dict[str, str] = field(default_factory=dict)

    def url(self, service: str) -> str:
        if service == "gateway":
            return str(self.description["gateway_url"])
        return str(self.description["services"][service]["url"])

    def document(self, service: str) -> dict[str, Any]:
        answer = self.http.get(self.url(service) + "/api/openapi.json")
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def sign_in(self, username: str, password: str) -> str:
        answer = self.http.post(
            self.url("identity") + "/api/auth/login", json={"username": username, "password": password}
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def headers(self, role: str) -> dict[str, str]:
        """What a caller of this role sends; nothing for somebody anonymous."""
        return {} if role == "anonymous" else {"Authorization": f"Bearer {self.tokens[role]}"}

    def add_person(self, *roles: str) -> tuple[str, str]:
        """Add a user with these roles; return name and id."""
        name = f"{'-'.join(roles) or 'nobody'}-{uuid4().hex[:8]}"
        answer = self.http.post(
            self.url("identity") + "/api/users",
            json={"username": name, "password": PASSWORD, "roles": list(roles)},
            headers=self.headers("admin"),
        )
        assert answer.status_code == 201, answer.text
        return name, str(answer.json()["id"])

    def renew_tokens(self) -> None:
        """Sign a fresh user of each role in; the first admin is left alone from then on."""
        account = self.description["admin"]
        self.tokens["admin"] = self.sign_in(account["username"], account["password"])
        self.tokens |= {role: self.sign_in(self.add_person(role)[0], PASSWORD) for role in ("viewer", "operator")}
        self.tokens["admin"] = self.sign_in(self.add_person("admin")[0], PASSWORD)

    def user_ids(self) -> tuple[str, ...]:
        """The ids of everybody that the tests are signed in as, and of the first admin."""
        of_tokens = [
            json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))["sub"] for token in self.tokens.values()
        ]
        listed = self.http.get(
            self.url("identity") + f"/api/users?q={self.description['admin']['username']}",
            headers=self.headers("admin"),
        ).json()["items"]
        admins = [user["id"] for user in listed if user["username"] == self.description["admin"]["username"]]
        return tuple(of_tokens + admins)

    def secret(self, name: str) -> str:
        """One of the stack's own secrets."""
        return str(json.loads((self.data / "secrets" / "stack-secrets.json").read_text())[name])


def _pulse(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pulse_local", *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"pulse {arguments[0]}:\n{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    data = tmp_path_factory.mktemp("guarded")
    _pulse("up", "--detach", "--data", str(data))
    try:
        with httpx.Client(timeout=30, trust_env=False) as http:
            stack = Guarded(json.loads((data / "stack.json").read_text()), data, http)
            stack.renew_tokens()
            yield stack
    finally:
        _pulse("down", "--data", str(data))
