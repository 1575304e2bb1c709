"""People, roles and config between the web and real workstations, the network whole, cut and whole again."""

import sqlite3
import time

import pytest

LOGIN_REFUSED = 5
PASSWORD, OTHER = "correct horse battery 1", "another long password 2"


async def create_user(http, name: str, *roles: str, password: str = PASSWORD) -> dict:
    answer = await http.post("/api/users", json={"username": name, "password": password, "roles": list(roles)})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def share(http, desktop, user: dict) -> None:
    wish = {"user": user["username"], "level": "control"}
    answer = await http.post(f"/api/devices/{desktop.device_id}/shares", json=wish)
    assert answer.status_code == 201, answer.text


async def sign_in(desktop, name: str, password: str = PASSWORD) -> int:
    done = await desktop.say("login", "--user", name, "--password-stdin", given=password + "\n")
    return done.returncode


def admin_of(stack) -> tuple[str, str]:
    account = stack.description["admin"]
    return account["username"], account["password"]


def raw_files(desktop) -> bytes:
    """Everything that the agent's databases hold on the disk, deleted rows included."""
    return b"".join(file.read_bytes() for file in sorted(desktop.data.glob("*.db*")))


@pytest.fixture
async def workstation(stack, enrol, eventually):
    """A running workstation of its own for each test, owned by the administrator, who can sign in on it."""
    async with stack.admin() as http:
        desktop = await enrol(stack, http, f"ws-{time.time_ns()}", is_cuttable=True)
    desktop.start()

    async def admin_may() -> bool:
        return await sign_in(desktop, *admin_of(stack)) == 0

    await eventually(admin_may, what="the administrator signs in on the workstation")
    return desktop


async def test_a_person_made_on_the_web_signs_in_on_a_workstation_that_was_cut_off_right_after(
    stack, workstation, eventually
) -> None:
    async with stack.admin() as http:
        user = await create_user(http, "ines", "operator")
        stranger = await create_user(http, "stranger-" + workstation.device_id, "viewer")
        await share(http, workstation, user)

        async def is_there() -> bool:
            return await sign_in(workstation, "ines") == 0

        await eventually(is_there, what="ines signs in")
        workstation.proxy.cut()
        assert await sign_in(workstation, "ines") == 0
        assert await sign_in(workstation, "ines", "wrong password 3") == LOGIN_REFUSED
        assert await sign_in(workstation, stranger["username"]) == LOGIN_REFUSED
        # Revoked on the web: the workstation cannot know yet …
        assert (await http.put(f"/api/users/{user['id']}/toggle-status", headers={"If-Match": "*"})).status_code == 200
        workstation.proxy.restore()

        async def is_refused() -> bool:
            return await sign_in(workstation, "ines") == LOGIN_REFUSED

        # … and refuses as soon as it does.
        await eventually(is_refused, what="ines is refused after the workstation heard")
        hashes = await stack.fetch("select password_hash from identity.users")
        held = raw_files(workstation)
        assert b"ines" in held, "the search looks at the right files"
        for row in hashes:
            digest = row["password_hash"].rsplit("$", 1)[1]
            assert row["password_hash"].encode() not in held
            assert digest.encode() not in held
        assert stranger["username"].encode() not in held
        assert stranger["id"].encode() not in held
        assert PASSWORD.encode() not in held


async def test_a_person_made_on_an_offline_workstation_signs_in_on_the_web_after_reconnect(
    stack, workstation, eventually
) -> None:
    name = "otto" + str(time.time_ns())
    workstation.proxy.cut()
    admin, password = admin_of(stack)
    arguments = ("users", "create", name, "--role", "viewer", "--user", admin, "--password-stdin")
    done = await workstation.say(*arguments, given=f"{password}\n{OTHER}\n")
    assert done.returncode == 0, done.stderr
    async with stack.admin() as http:
        assert name not in (await http.get("/api/users", params={"q": name})).text
        workstation.proxy.restore()

        async def signs_in() -> bool:
            answer = await http.post("/api/auth/login", json={"username": name, "password": OTHER})
            return bool(answer.status_code == 200)

        await eventually(signs_in, what="the new user signs in on the web")

        async def signs_in_there() -> bool:
            return await sign_in(workstation, name, OTHER) == 0

        await eventually(signs_in_there, what="the new user signs in where they were made")
        (found,) = (await http.get("/api/users", params={"q": name})).json()["items"]
        assert found["roles"] == ["viewer"]
        events = (await http.get("/api/audit", params={"action": "user.created", "limit": 200})).json()["items"]
        (event,) = [event for event in events if event["resource"]["id"] == found["id"]]
        assert event["actor"]["name"] == admin
    assert OTHER.encode() not in raw_files(workstation)


async def test_concurrent_edits_leave_a_visible_conflict_that_can_be_restored(stack, workstation, eventually) -> None:
    async with stack.admin() as http:
        user = await create_user(http, "carla" + str(time.time_ns()), "viewer")
        await share(http, workstation, user)

        async def is_there() -> bool:
            return await sign_in(workstation, user["username"]) == 0

        await eventually(is_there, what="carla is on the workstation")
        workstation.proxy.cut()
        admin, password = admin_of(stack)
        mine = ("users", "edit", user["username"], "--email", "desk@example.org", "--user", admin, "--password-stdin")
        assert (await workstation.say(*mine, given=password + "\n")).returncode == 0
        web = {"email": "web@example.org"}
        answer = await http.patch(f"/api/users/{user['id']}", json=web, headers={"If-Match": "*"})
        assert answer.status_code == 200, answer.text
        workstation.proxy.restore()

        async def conflict() -> dict | None:
            found = (await http.get("/api/sync/conflicts", params={"desktop_id": workstation.device_id})).json()
            return found["items"][0] if found["items"] else None

        kept = await eventually(conflict, what="the conflict is kept")
        assert kept["winner"] == "server", "the web's edit was later"
        assert (await http.get(f"/api/users/{user['id']}")).json()["email"] == "web@example.org"

        async def is_told() -> bool:
            return "desk@example.org" in (await workstation.say("sync", "conflicts", "--json")).stdout

        await eventually(is_told, what="the workstation keeps what it lost")
        restored = await http.post(f"/api/sync/conflicts/{kept['id']}/restore")
        assert restored.status_code == 200, restored.text
        assert (await http.get(f"/api/users/{user['id']}")).json()["email"] == "desk@example.org"
        assert (await http.post(f"/api/sync/conflicts/{kept['id']}/restore")).status_code == 409


async def test_a_lease_that_was_tampered_with_opens_nothing(stack, workstation) -> None:
    admin, password = admin_of(stack)
    workstation.kill()
    assert await sign_in(workstation, admin, password) == 0
    connection = sqlite3.connect(workstation.data / "replica.db")
    for user_id, token in connection.execute("select user_id, token from lease").fetchall():
        head, payload, signature = token.split(".")
        later = payload[:-2] + ("AA" if payload[-2:] != "AA" else "BB")
        connection.execute("update lease set token = ? where user_id = ?", (f"{head}.{later}.{signature}", user_id))
    connection.commit()
    connection.close()
    assert await sign_in(workstation, admin, password) == LOGIN_REFUSED


async def test_a_changed_interval_changes_the_rate_and_nothing_else_restarts(stack, workstation, eventually) -> None:
    device = workstation.device_id
    async with stack.admin() as http:
        before = (await workstation.status())["delivery"]["pid"]
        url = f"/api/config/device/{device}/telemetry.interval_ms"
        assert (await http.put(url, json={"value": 100})).status_code in (200, 201)

        async def stored() -> int:
            sql = "select count(distinct recorded_at) as n from telemetry_data where client_id = $1"
            return int((await stack.fetch(f"{sql} and recorded_at > now() - interval '3 seconds'", device))[0]["n"])

        async def is_faster() -> bool:
            return await stored() >= 15

        await eventually(is_faster, what="ten samples a second arrive")
        assert (await workstation.status())["delivery"]["pid"] == before

        async def is_applied() -> bool:
            effective = (await http.get(f"/api/config/effective/{device}")).text
            return '"telemetry.interval_ms"' in effective and "100" in effective

        await eventually(is_applied, what="the service knows that it is in force")
        sent = await http.post(
            "/api/commands", json={"device_ids": [device], "name": "CHANGE_INTERVAL", "args": {"interval_ms": 1000}}
        )
        assert sent.status_code == 202, sent.text
        command = sent.json()["commands"][0]["id"]

        async def has_succeeded() -> bool:
            return (await http.get(f"/api/commands/{command}")).json()["state"] == "succeeded"

        await eventually(has_succeeded, what="the command succeeded")

        async def web_follows() -> bool:
            return bool((await http.get(url)).json()["value"] == 1000)

        await eventually(web_follows, what="the web shows what the command set")
