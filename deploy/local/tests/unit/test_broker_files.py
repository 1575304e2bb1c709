"""What the broker is told, without a broker."""

import base64
import hashlib
import json
import os
import time
from pathlib import Path

from pulse_contracts import topics
from pulse_contracts.ids import ClientId
from pulse_local.servers.broker_accounts import (
    DEVICE_ROLE,
    account,
    fresh_security,
    hashed_password,
    refreshed_security,
)
from pulse_local.servers.broker_acl import render_acl
from pulse_local.servers.kept_accounts import keep_accounts, kept_copy

PASSWORDS = {"svc-ingest": "i", "svc-identity": "a"}


def test_every_uplink_topic_of_the_contracts_may_be_written_by_its_own_device_and_read_by_ingest() -> None:
    acl = render_acl().splitlines()
    for topic_filter in topics.UPLINK_FILTERS:
        assert f"pattern write {topic_filter.replace('+', '%u')}" in acl
        assert f"topic read {topic_filter}" in acl
    for topic in (topics.ack, topics.command, topics.sync_down):
        assert f"pattern read {topic(ClientId('%u'))}" in acl
        assert f"topic write {topic(ClientId('+'))}" in acl
    assert not [line for line in acl if line.startswith("pattern") and "%u" not in line]


def test_a_password_is_stored_as_the_plugin_checks_it() -> None:
    stored = hashed_password("key")
    digest = hashlib.pbkdf2_hmac("sha512", b"key", base64.b64decode(stored["salt"]), stored["iterations"], 64)
    assert base64.b64decode(stored["password"]) == digest
    assert hashed_password("key")["salt"] != stored["salt"]


def test_the_device_role_denies_shared_subscriptions_before_anything_else() -> None:
    (role,) = [role for role in fresh_security(PASSWORDS)["roles"] if role["rolename"] == DEVICE_ROLE]
    denial = max(role["acls"], key=lambda acl: acl["priority"])
    assert (denial["acltype"], denial["topic"], denial["allow"]) == ("subscribePattern", "$share/#", False)


def test_a_restart_keeps_the_devices_and_renews_our_own_accounts(tmp_path: Path) -> None:
    path = tmp_path / "dynamic-security.json"
    held = fresh_security({"svc-ingest": "old", "svc-identity": "old"})
    held["clients"].append(account("dev-1", "key", DEVICE_ROLE))
    held["roles"] = []
    path.write_text(json.dumps(held))
    fresh = refreshed_security(path, {"svc-ingest": "new", "svc-identity": "new"})
    assert [client["username"] for client in fresh["clients"]].count("svc-ingest") == 1
    assert "dev-1" in [client["username"] for client in fresh["clients"]]
    assert DEVICE_ROLE in [role["rolename"] for role in fresh["roles"]]


def test_a_file_cut_short_by_a_crash_is_replaced_by_its_copy_and_a_torn_file_is_never_copied(tmp_path: Path) -> None:
    path = tmp_path / "dynamic-security.json"
    held = fresh_security(PASSWORDS)
    held["clients"].append(account("dev-1", "key", DEVICE_ROLE))
    path.write_text(json.dumps(held))
    keep_accounts(path, None)
    torn = json.dumps(held)[:300]
    for text in ("", torn):
        path.write_text(text)
        keep_accounts(path, None)
        assert "dev-1" in [client["username"] for client in refreshed_security(path, PASSWORDS)["clients"]]
    path.write_text(json.dumps(fresh_security(PASSWORDS)))
    assert "dev-1" not in [client["username"] for client in refreshed_security(path, PASSWORDS)["clients"]]


def test_a_copy_follows_what_the_broker_changes(tmp_path: Path) -> None:
    path = tmp_path / "dynamic-security.json"
    path.write_text(json.dumps(fresh_security(PASSWORDS)))
    keep_accounts(path, None)
    held = fresh_security(PASSWORDS)
    held["clients"].append(account("dev-2", "key", DEVICE_ROLE))
    path.write_text(json.dumps(held))
    os.utime(path, ns=(time.time_ns(), kept_copy(path).stat().st_mtime_ns + 1))
    keep_accounts(path, None)
    assert json.loads(kept_copy(path).read_text()) == held
    assert kept_copy(path).stat().st_mode & 0o777 == 0o600


def test_a_file_cut_short_by_a_crash_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "dynamic-security.json"
    path.write_text('{"clients": [')
    assert [client["username"] for client in refreshed_security(path, PASSWORDS)["clients"]] == [
        "svc-ingest",
        "svc-identity",
    ]
