"""The side of a conflict that lost, as an edit."""

from __future__ import annotations

from pulse_sync.domain.lost_side import lost_desktop_edit, lost_server_edit


def test_what_was_applied_of_a_lost_edit_is_not_done_again_and_a_password_is_gone() -> None:
    fields = {"email": "a@b", "password": True, "roles_added": ["r1"], "roles_removed": ["r2", "r3"]}
    assert lost_desktop_edit(fields, ["roles:r2"]) == {
        "email": "a@b",
        "roles_added": ["r1"],
        "roles_removed": ["r3"],
    }
    assert lost_desktop_edit({"password": True}, []) == {}


def test_only_what_the_desktop_changed_of_the_servers_row_comes_back() -> None:
    server = {"username": "ann", "email": None, "is_active": True, "roles": ["r1", "r2"]}
    edit = {"email": "x@y", "is_active": False, "roles_added": ["r3"], "roles_removed": ["r2"]}
    everything = ["email", "is_active", "roles:r2", "roles:r3"]
    assert lost_server_edit(edit, server, everything) == {
        "email": "",
        "is_active": True,
        "roles_added": ["r2"],
        "roles_removed": ["r3"],
    }
    assert lost_server_edit(edit, server, ["email"]) == {"email": ""}
