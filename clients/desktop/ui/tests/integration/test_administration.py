"""People, roles, configuration, edits under way and conflicts, driven as a person would."""

from __future__ import annotations

from typing import Any

from pulse_contracts.local_protocol import Changed, ErrorBody, EventName
from pulse_contracts.local_records import Conflicts
from pulse_contracts.permissions import Permission
from pulse_desktop.link import scripted_world as world

from .shown import asked, modal, page_of

# -- administration -----------------------------------------------------------------------------------------------------


def test_people_are_listed_with_what_waits_for_the_server(show: Any) -> None:
    with show(world.offline()) as shown:
        page = page_of(shown, 0)
        shown.wait(lambda: page.table.rows[1].cells[2].text == "night shift, operator")
        assert page.table.rows[0].cells[0].text == "ada (you)"
        assert page.table.rows[2].cells[4].text == "New, waits for the server"
        dialog = page.window()
        assert "not reached" in dialog.offline.text
        assert dialog.tabs.tabText(3) == "Own edits under way (2)"
        page.table.choose("u-ada")
        assert not page.delete.isEnabled()
        page.search.setText("be")
        page.search.textEdited.emit("be")
        shown.wait(lambda: asked(shown, "users.list")[-1].search == "be")


def test_a_new_user_is_checked_here_and_made_there(show: Any) -> None:
    with show() as shown:
        page = page_of(shown, 0)
        shown.wait(lambda: page.roles)
        page.new.click()
        form = modal(shown)
        form.save.click()
        assert form.fields["username"].problem
        form.username.setText("fritz")
        form.password.setText("long enough")
        form.roles["role-viewer"].setChecked(True)
        form.save.click()
        shown.wait(lambda: asked(shown, "users.create"))
        made = asked(shown, "users.create")[0]
        assert (made.username, made.roles, made.password) == ("fritz", ["role-viewer"], "long enough")
        shown.wait(lambda: "Kept here" in page.note.text)


def test_only_what_changed_of_a_user_is_sent_and_a_refusal_stands_at_its_field(show: Any) -> None:
    taken = ErrorBody(code="email_taken", message="taken")
    with show(answers=world.answers(users__edit=taken)) as shown:
        page = page_of(shown, 0)
        shown.wait(lambda: page.roles)
        page.table.choose("u-ben")
        page.edit_one.click()
        form = modal(shown)
        form.email.setText("other@example.org")
        form.save.click()
        shown.wait(lambda: form.fields["email"].problem == "This e-mail is taken.")
        assert asked(shown, "users.edit")[0].model_dump(exclude_unset=True) == {
            "id": "u-ben", "email": "other@example.org",
        }  # fmt: skip
        form.email.setText("ben@example.org")
        form.roles["role-night"].setChecked(False)
        form.save.click()
        shown.wait(lambda: asked(shown, "users.change_roles"))
        assert asked(shown, "users.change_roles")[0].removed == ["role-night"]


def test_a_user_is_disabled_at_once_and_deleted_after_a_question(show: Any) -> None:
    with show() as shown:
        page = page_of(shown, 0)
        page.table.choose("u-ben")
        page.active.click()
        shown.wait(lambda: asked(shown, "users.set_active"))
        assert not asked(shown, "users.set_active")[0].is_active
        page.table.choose("u-ben")
        page.delete.click()
        modal(shown).no.click()
        assert not asked(shown, "users.delete")
        page.delete.click()
        modal(shown).yes.click()
        shown.wait(lambda: asked(shown, "users.delete"))


def test_a_role_is_made_and_changed_but_not_a_built_in_one(show: Any) -> None:
    with show() as shown:
        page = page_of(shown, 1)
        page.table.choose("role-admin")
        assert not page.delete.isEnabled()
        page.edit_one.click()
        form = modal(shown)
        assert not form.save.isVisible()
        assert "cannot be changed" in form.note.text
        form.reject()
        shown.turn()
        page.table.choose("role-night")
        page.edit_one.click()
        form = modal(shown)
        form.rights["sync:read"].setChecked(True)
        form.save.click()
        shown.wait(lambda: asked(shown, "roles.change_permissions"))
        assert asked(shown, "roles.change_permissions")[0].added == ["sync:read"]
        page.new.click()
        form = modal(shown)
        form.save.click()
        assert form.name_field.problem
        form.name.setText("day shift")
        form.save.click()
        shown.wait(lambda: asked(shown, "roles.create"))


def test_nobody_can_give_a_right_that_they_lack(show: Any) -> None:
    rights = (Permission.USERS_READ, Permission.USERS_WRITE, Permission.ROLES_READ, Permission.ROLES_WRITE)
    with show(answers=world.answers(sign_in=world.session(*rights))) as shown:
        page = page_of(shown, 0)
        shown.wait(lambda: page.roles)
        page.new.click()
        form = modal(shown)
        assert not form.roles["role-admin"].isEnabled()
        assert "You cannot give" in form.roles["role-admin"].toolTip()
        form.reject()


def test_configuration_is_set_for_this_desktop_and_taken_back(show: Any) -> None:
    with show() as shown:
        page = page_of(shown, 2)
        assert page.table.rows[3].cells[3].text == "not in force: no source of this desktop knows it"
        page.table.choose("device/D-7f3a/telemetry.interval_ms")
        page.set_own.click()
        form = modal(shown)
        form.value.setText("5")
        assert form.value_field.problem == "From 10 ms to 1 d."
        form.value.setText("2000")
        form.save.click()
        shown.wait(lambda: asked(shown, "config.set"))
        assert asked(shown, "config.set")[0].value == 2000
        page.table.choose("device/D-7f3a/telemetry.interval_ms")
        page.clear.click()
        shown.wait(lambda: asked(shown, "config.clear"))


def test_edits_under_way_and_conflicts_are_shown_and_decided(show: Any) -> None:
    with show() as shown:
        pending = page_of(shown, 3)
        assert [row.cells[4].text for row in pending.table.rows] == ["waits for the server", "sent, not answered yet"]
        page = page_of(shown, 4)
        shown.wait(lambda: page.sides.rows and page.sides.rows[1].cells[1].text == "night shift")
        assert page.window().tabs.tabText(4) == "Conflicts (2)"
        page.take_mine.click()
        shown.wait(lambda: asked(shown, "conflicts.restore"))
        assert asked(shown, "conflicts.restore")[0].number == 12
        page.table.choose("11")
        assert not page.take_mine.isEnabled()
        page.leave.click()
        shown.wait(lambda: asked(shown, "conflicts.accept"))


def test_an_empty_and_a_failed_list_say_so_and_a_change_reads_again(show: Any) -> None:
    none = Conflicts(total=0, open=0, rows=[])
    failed = ErrorBody(code="internal", message="the replica cannot be read")
    with show(answers=world.answers(conflicts__list=none, users__list=failed)) as shown:
        page = page_of(shown, 4)
        assert (page.contents.face, page.contents.sentence) == ("empty", "No conflict is open")
        people = page_of(shown, 0)
        assert (people.contents.face, people.contents.sentence) == ("failed", "The replica cannot be read.")
        shown.agent.answers["users.list"] = world.users()
        people.contents._retry.click()
        shown.wait(lambda: people.contents.face == "content")
        before = len(asked(shown, "users.list"))
        shown.agent.tell(EventName.CHANGED, Changed(entities=["users"]))
        shown.wait(lambda: len(asked(shown, "users.list")) > before)
