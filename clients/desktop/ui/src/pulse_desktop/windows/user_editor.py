"""The form of a user. What was changed goes up as edits of its own, one after the other; the first that fails stops them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pydantic import BaseModel
from PySide6.QtWidgets import QCheckBox, QDialog, QLineEdit, QScrollArea, QVBoxLayout, QWidget

from pulse_contracts.local_people import (
    PasswordParams,
    RoleRow,
    UserCreateParams,
    UserEditParams,
    UserRolesParams,
    UserRow,
)
from pulse_contracts.local_protocol import ErrorBody
from pulse_desktop.model.people import UserDraft, changes, lacking
from pulse_desktop.theme.tokens import Tone
from pulse_desktop.widgets.basics import Field, allow, button, label, row
from pulse_desktop.widgets.status import Note
from pulse_desktop.windows.context import Context

Step = tuple[str, BaseModel]
MAX_ROLES_SHOWN = 8
"""More than these are scrolled."""
_FIELD_OF = {
    "bad_username": "username",
    "username_taken": "username",
    "bad_email": "email",
    "email_taken": "email",
    "password_too_short": "password",
    "password_too_long": "password",
    "password_is_username": "password",
}


class UserEditor(QDialog):
    """A new user where `user` is None; `on_kept` is called once all was taken."""

    def __init__(
        self,
        context: Context,
        parent: QWidget,
        user: UserRow | None,
        roles: Mapping[str, RoleRow],
        on_kept: Callable[[], None],
    ) -> None:
        super().__init__(parent)
        self._context = context
        self._texts = context.texts
        self._user = user
        self._on_kept = on_kept
        self._left: list[Step] = []
        words = self._texts.administration
        self.setWindowTitle(words.new_user if user is None else words.edit_user.format(name=user.username))
        self.setModal(True)
        self.setMinimumWidth(460)
        self.username = QLineEdit("" if user is None else user.username)
        self.email = QLineEdit("" if user is None else user.email or "")
        self.password = QLineEdit()
        self.password.setEchoMode(QLineEdit.EchoMode.Password)
        self.fields = {
            "username": Field(words.name, self.username, words.username_hint),
            "email": Field(words.email, self.email, words.email_hint),
            "password": Field(
                words.password if user is None else words.new_password,
                self.password,
                words.password_hint if user is None else words.new_password_hint,
            ),
        }
        self.roles = {role.id: self._box(role) for role in sorted(roles.values(), key=lambda role: role.name.lower())}
        self.note = Note()
        self.cancel = button(self._texts.general.cancel, self.reject)
        self.save = button(
            self._texts.general.create if user is None else self._texts.general.save, self._save, "primary"
        )
        self.save.setDefault(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 20, 24, 20)
        layout.setSpacing(12)
        layout.addWidget(label(self.windowTitle(), "heading"))
        layout.addWidget(self.note)
        for field in self.fields.values():
            layout.addWidget(field)
        layout.addWidget(label(words.roles_of, "caption"))
        layout.addWidget(self._role_list())
        layout.addWidget(label(words.no_role_hint, "faint", wraps=True))
        layout.addStretch(1)
        layout.addLayout(row(None, self.cancel, self.save))

    def draft(self) -> UserDraft:
        """Return what stands in the form."""
        return UserDraft(
            username=self.username.text().strip(),
            email=self.email.text().strip(),
            password=self.password.text(),
            roles=frozenset(role for role, box in self.roles.items() if box.isChecked()),
        )

    def _role_list(self) -> QWidget:
        inner = QWidget()
        boxes = QVBoxLayout(inner)
        boxes.setContentsMargins(0, 0, 0, 0)
        boxes.setSpacing(4)
        for box in self.roles.values():
            boxes.addWidget(box)
        if len(self.roles) <= MAX_ROLES_SHOWN:
            return inner
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setWidget(inner)
        scroll.setMinimumHeight(200)
        return scroll

    def _box(self, role: RoleRow) -> QCheckBox:
        box = QCheckBox(role.name)
        has = self._user is not None and role.id in self._user.roles
        box.setChecked(has)
        box.setAccessibleName(role.name)
        missing = lacking(role.permissions, self._context.bridge.session)
        allow(box, not missing, self._texts.administration.beyond_own.format(rights=", ".join(missing)))
        if not missing:
            box.setToolTip(role.description)
        return box

    def _save(self) -> None:
        draft = self.draft()
        problems = draft.problems(self._texts, is_new=self._user is None)
        for name, field in self.fields.items():
            field.show_problem(problems.get(name, ""))
        if problems:
            self.fields[next(iter(problems))].control.setFocus()
            return
        self._left = self._steps(draft)
        self._be_busy(True)
        self._go_on()

    def _steps(self, draft: UserDraft) -> list[Step]:
        user = self._user
        if user is None:
            made = UserCreateParams(
                username=draft.username, password=draft.password, email=draft.email or None, roles=sorted(draft.roles)
            )
            return [("users.create", made)]
        steps: list[Step] = []
        changed = {}
        if draft.username != user.username:
            changed["username"] = draft.username
        if draft.email != (user.email or ""):
            changed["email"] = draft.email
        if changed:
            steps.append(("users.edit", UserEditParams(id=user.id, **changed)))
        known = [role for role in user.roles if role in self.roles]
        added, removed = changes(known, draft.roles)
        if added or removed:
            steps.append(("users.change_roles", UserRolesParams(id=user.id, added=added, removed=removed)))
        if draft.password:
            steps.append(("users.set_password", PasswordParams(id=user.id, password=draft.password)))
        return steps

    def _go_on(self) -> None:
        if not self._left:
            self.password.clear()
            self.accept()
            self._on_kept()
            return
        method, params = self._left.pop(0)
        self._context.bridge.ask(self, method, params, lambda _: self._go_on(), self._refused)

    def _refused(self, error: ErrorBody) -> None:
        self._be_busy(False)
        reason = self._texts.problem(error.code, error.message)
        name = _FIELD_OF.get(error.code, error.field or "")
        if name in self.fields:
            self.fields[name].show_problem(reason)
            self.fields[name].control.setFocus()
        else:
            self.note.say(Tone.BAD, reason)

    def _be_busy(self, is_busy: bool) -> None:
        self.note.say(Tone.INFO, "")
        self.save.setEnabled(not is_busy)
