"""The roles: what each allows, and the form of those that are not built in."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel
from PySide6.QtWidgets import QCheckBox, QDialog, QLineEdit, QScrollArea, QVBoxLayout, QWidget

from pulse_contracts.local_people import (
    PageParams,
    RoleCreateParams,
    RoleEditParams,
    RolePermissionsParams,
    RoleRow,
    Roles,
)
from pulse_contracts.local_protocol import ErrorBody
from pulse_contracts.permissions import Permission
from pulse_desktop.model.people import RoleDraft, changes, lacking, pending_mark
from pulse_desktop.theme.tokens import Tone
from pulse_desktop.widgets.basics import Field, allow, button, label, row
from pulse_desktop.widgets.status import Note
from pulse_desktop.widgets.table import Cell, Row, Table
from pulse_desktop.windows.context import Context
from pulse_desktop.windows.list_page import ListPage

MAX_ROWS = 500


class RolesPage(ListPage):
    """Needs `roles:read`; what changes anything needs `roles:write`."""

    def __init__(self, context: Context) -> None:
        words = context.texts.administration
        titles = (words.name, words.description, words.rights, words.people, words.sync_state)
        super().__init__(context, Table(words.roles, titles, (1,), self.edit), frozenset({"roles", "users", "pending"}))
        self.new = button(words.new_role, lambda: self._open(None), "primary")
        self.edit_one = button(words.edit, lambda: self.edit(self.table.chosen))
        self.delete = button(context.texts.general.delete, self._ask_delete, "danger")
        self.page.insertLayout(0, row(None, self.edit_one, self.delete, self.new))
        self.table.selectionModel().selectionChanged.connect(lambda *_: self._allow())
        self._allow()
        self.load()

    def load(self) -> None:
        """Ask for the roles."""
        self.ask("roles.list", PageParams(limit=MAX_ROWS), self._take)

    def edit(self, role: RoleRow | None) -> None:
        """Open the form of a role; of a built-in one to be read only."""
        if role is not None:
            self._open(role)

    def _open(self, role: RoleRow | None) -> None:
        RoleEditor(self.context, self, role, self.kept).open()

    def _ask_delete(self) -> None:
        role: RoleRow | None = self.table.chosen
        if role is not None:
            consequence = self.texts.administration.delete_role_text
            self.ask_delete("roles.delete", role.id, role.name, consequence)

    def _take(self, roles: Roles) -> None:
        self.table.show_rows([self._row(role) for role in roles.rows])
        if roles.rows:
            self.contents.show_content()
        else:
            self.contents.show_empty(self.texts.administration.no_roles)
        self._allow()

    def _row(self, role: RoleRow) -> Row:
        words, form = self.texts.administration, self.texts.format
        mark = pending_mark(role.pending, self.texts)
        name = f"{role.name} ({words.built_in})" if role.is_built_in else role.name
        rights = words.rights_count.of(len(role.permissions))
        return Row(
            role.id,
            (
                Cell(name),
                Cell(role.description or "—", is_faint=True),
                Cell(rights, tip="\n".join(words.permissions.get(one, one) for one in role.permissions)),
                Cell(form.number(role.users), is_number=True),
                Cell(mark.text, mark.tone),
            ),
            role,
        )

    def _allow(self) -> None:
        words = self.texts.administration
        role: RoleRow | None = self.table.chosen
        may = self.context.may(Permission.ROLES_WRITE)
        lacks = self.context.lacks(Permission.ROLES_WRITE)
        is_own = role is not None and not role.is_built_in
        allow(self.new, may, lacks)
        self.edit_one.setEnabled(role is not None)
        allow(self.delete, may and is_own, words.built_in_hint if may and role is not None else lacks)


class RoleEditor(QDialog):
    """A new role where `role` is None. Rights that the person lacks cannot be given and say so."""

    def __init__(self, context: Context, parent: QWidget, role: RoleRow | None, on_kept: Callable[[], None]) -> None:
        super().__init__(parent)
        self._context = context
        self._texts = context.texts
        self._role = role
        self._on_kept = on_kept
        self._left: list[tuple[str, BaseModel]] = []
        words = self._texts.administration
        self.setWindowTitle(words.new_role if role is None else words.edit_role.format(name=role.name))
        self.setModal(True)
        self.resize(520, 620)
        is_fixed = role is not None and (role.is_built_in or not context.may(Permission.ROLES_WRITE))
        self.name = QLineEdit("" if role is None else role.name)
        self.description = QLineEdit("" if role is None else role.description)
        self.name_field = Field(words.name, self.name, words.role_hint)
        self.note = Note()
        self.rights = {right.value: self._box(right.value, is_fixed) for right in Permission}
        self.save = button(
            self._texts.general.create if role is None else self._texts.general.save, self._save, "primary"
        )
        self.save.setDefault(True)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 20, 24, 20)
        layout.setSpacing(12)
        layout.addWidget(label(self.windowTitle(), "heading"))
        layout.addWidget(self.note)
        layout.addWidget(self.name_field)
        layout.addWidget(Field(words.description, self.description))
        layout.addWidget(label(words.rights, "caption"))
        layout.addWidget(scroll, 1)
        rights = QWidget()
        scroll.setWidget(rights)
        boxes = QVBoxLayout(rights)  # in its place before the boxes come: whatever is moved is dressed anew
        boxes.setContentsMargins(0, 0, 0, 0)
        boxes.setSpacing(2)
        for box in self.rights.values():
            boxes.addWidget(box)
        cancel = button(self._texts.general.close if is_fixed else self._texts.general.cancel, self.reject)
        layout.addLayout(row(None, cancel, self.save))
        if is_fixed:
            self.save.setVisible(False)
            self.name.setReadOnly(True)
            self.description.setReadOnly(True)
            is_built_in = role is not None and role.is_built_in
            self.note.say(Tone.INFO, words.built_in_hint if is_built_in else context.lacks(Permission.ROLES_WRITE))

    def draft(self) -> RoleDraft:
        """Return what stands in the form."""
        chosen = frozenset(right for right, box in self.rights.items() if box.isChecked())
        return RoleDraft(self.name.text().strip(), self.description.text().strip(), chosen)

    def _box(self, right: str, is_fixed: bool) -> QCheckBox:
        words = self._texts.administration
        box = QCheckBox(words.permissions.get(right, right))
        box.setChecked(self._role is not None and right in self._role.permissions)
        box.setAccessibleName(box.text())
        missing = lacking([right], self._context.bridge.session)
        allow(box, not missing and not is_fixed, words.beyond_own.format(rights=right) if missing else right)
        if not missing:
            box.setToolTip(right)
        return box

    def _save(self) -> None:
        draft = self.draft()
        problems = draft.problems(self._texts)
        self.name_field.show_problem(problems.get("name", ""))
        if problems:
            self.name.setFocus()
            return
        self._left = self._steps(draft)
        self.save.setEnabled(False)
        self._go_on()

    def _steps(self, draft: RoleDraft) -> list[tuple[str, BaseModel]]:
        role = self._role
        if role is None:
            made = RoleCreateParams(
                name=draft.name, description=draft.description, permissions=sorted(draft.permissions)
            )
            return [("roles.create", made)]
        steps: list[tuple[str, BaseModel]] = []
        changed = {}
        if draft.name != role.name:
            changed["name"] = draft.name
        if draft.description != role.description:
            changed["description"] = draft.description
        if changed:
            steps.append(("roles.edit", RoleEditParams(id=role.id, **changed)))
        known = [right for right in role.permissions if right in self.rights]
        added, removed = changes(known, draft.permissions)
        if added or removed:
            steps.append(("roles.change_permissions", RolePermissionsParams(id=role.id, added=added, removed=removed)))
        return steps

    def _go_on(self) -> None:
        if not self._left:
            self.accept()
            self._on_kept()
            return
        method, params = self._left.pop(0)
        self._context.bridge.ask(self, method, params, lambda _: self._go_on(), self._refused)

    def _refused(self, error: ErrorBody) -> None:
        self.save.setEnabled(True)
        reason = self._texts.problem(error.code, error.message)
        if error.code in ("bad_name", "name_taken"):
            self.name_field.show_problem(reason)
        else:
            self.note.say(Tone.BAD, reason)
