"""`/internal` opens to who has the services' key, and to nobody while there is none."""

from __future__ import annotations

import httpx
import pytest
from fastapi import Depends, FastAPI

from pulse_chassis.bearer import route_rules
from pulse_chassis.internal_key import from_a_service
from pulse_chassis.problems import install_problem_handlers

KEY = "a key for tests, 24 characters".replace(" ", "-")


@pytest.fixture
def app():
    app = FastAPI()
    install_problem_handlers(app)

    @app.get("/internal/x", dependencies=[Depends(from_a_service)])
    async def read() -> str:
        return "in"

    app.state.internal_key = KEY
    return app


async def ask(app, authorization=None):
    headers = {} if authorization is None else {"Authorization": authorization}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x.test") as http:
        answer = await http.get("/internal/x", headers=headers)
    return answer.status_code, answer.json()


@pytest.mark.parametrize(
    "authorization", [None, "", KEY, f"Basic {KEY}", f"Bearer {KEY}x", f"Bearer {KEY[:-1]}", "Bearer", "Bearer  "]
)
async def test_without_the_key_nobody_gets_in(app, authorization):
    status, problem = await ask(app, authorization)
    assert (status, problem["code"]) == (401, "internal_key_wrong")


async def test_with_the_key_a_service_gets_in(app):
    assert await ask(app, f"Bearer {KEY}") == (200, "in")


@pytest.mark.parametrize("unset", [None, ""])
async def test_while_no_key_is_set_every_key_is_refused(app, unset):
    app.state.internal_key = unset
    for authorization in (None, "Bearer ", f"Bearer {KEY}"):
        status, problem = await ask(app, authorization)
        assert (status, problem["code"]) == (503, "internal_key_unset")


def test_the_door_is_declared(app):
    rules = {path: rule for _, path, rule in route_rules(app)}
    assert rules["/internal/x"] is not None
    assert rules["/internal/x"].kind == "declared"
