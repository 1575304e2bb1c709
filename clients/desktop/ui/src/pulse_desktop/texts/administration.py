"""People, roles, configuration, edits that wait, and conflicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pulse_desktop.texts.language import Plural


@dataclass(frozen=True, slots=True, kw_only=True)
class AdministrationTexts:
    """Words of the administration."""

    title: str
    users: str
    roles: str
    config: str
    pending: str
    conflicts: str
    conflicts_count: str
    pending_count: str
    offline_note: str
    name: str
    email: str
    state: str
    active: str
    inactive: str
    changed: str
    pending_new: str
    pending_deleted: str
    pending_changed: str
    confirmed: str
    new_user: str
    edit_user: str
    you: str
    username_hint: str
    email_hint: str
    password: str
    new_password: str
    password_hint: str
    new_password_hint: str
    roles_of: str
    no_role_hint: str
    beyond_own: str
    may_sign_in: str
    no_users: str
    no_roles: str
    delete_title: str
    delete_user_text: str
    delete_role_text: str
    not_yourself: str
    new_role: str
    edit_role: str
    description: str
    rights: str
    rights_count: Plural
    people: str
    built_in: str
    built_in_hint: str
    role_hint: str
    kept: str
    bad_username: str
    bad_email: str
    bad_role: str
    bad_password: str
    password_is_name: str
    edit: str
    key: str
    value: str
    scope: str
    scope_all: str
    scope_group: str
    scope_device: str
    in_force: str
    not_in_force: str
    clear_own: str
    set_own: str
    no_config: str
    what: str
    who: str
    made: str
    sent: str
    not_sent: str
    no_pending: str
    no_pending_hint: str
    no_conflicts: str
    no_conflicts_hint: str
    only_open: str
    here: str
    server: str
    field: str
    take_mine: str
    leave: str
    lost: str
    rejected: str
    won: str
    resolved_accepted: str
    resolved_restored: str
    password_changed: str
    entities: dict[str, str]
    fields: dict[str, str]
    permissions: dict[str, str]
    sync_state: str
    activate: str
    deactivate: str
    value_hint: str


ENGLISH: Final = AdministrationTexts(
    title="Administration",
    users="Users",
    roles="Roles",
    config="Configuration",
    pending="Own edits under way",
    conflicts="Conflicts",
    conflicts_count="Conflicts ({count})",
    pending_count="Own edits under way ({count})",
    offline_note="The server is not reached. Edits are kept here, marked, and sent as soon as it is.",
    name="Name",
    email="E-mail",
    state="State",
    active="Active",
    inactive="Inactive",
    changed="Changed",
    pending_new="New, waits for the server",
    pending_deleted="Deleted, waits for the server",
    pending_changed="Changed ({fields}), waits for the server",
    confirmed="As on the server",
    new_user="New user",
    edit_user="Edit {name}",
    you="you",
    username_hint="2 to 64 letters, figures and . _ - @ +",
    email_hint="May stay empty.",
    password="Password",  # noqa: S106 -- a label
    new_password="New password",  # noqa: S106 -- a label
    password_hint="At least 8 characters. It is sealed here and only the server can read it.",  # noqa: S106 -- a hint
    new_password_hint="Left empty it stays.",  # noqa: S106 -- a hint
    roles_of="Roles",
    no_role_hint="Without a role somebody can sign in and see nothing.",
    beyond_own="You cannot give what you do not have: {rights}",
    may_sign_in="May sign in",
    no_users="Nobody fits",
    no_roles="No role fits",
    delete_title="Delete {name}?",
    delete_user_text="The account is gone for good once the server hears of it. What they did stays in the audit log.",
    delete_role_text="Nobody can get this role any more.",
    not_yourself="Not with your own account.",
    new_role="New role",
    edit_role="Edit {name}",
    description="Description",
    rights="Rights",
    rights_count=Plural("{count} right", "{count} rights"),
    people="People",
    built_in="built in",
    built_in_hint="A built-in role cannot be changed.",
    role_hint="2 to 64 letters, figures, spaces and . _ -",
    kept="Kept here; the server hears of it as soon as it is reached.",
    bad_username="2 to 64 letters, figures and . _ - @ +, the first a letter or figure.",
    bad_email="This is no e-mail address.",
    bad_role="2 to 64 letters, figures, spaces and . _ -",
    bad_password="At least 8 characters.",  # noqa: S106 -- a hint
    password_is_name="The password must not be the name.",  # noqa: S106 -- a hint
    edit="Edit",
    key="Key",
    value="Value",
    scope="For",
    scope_all="all",
    scope_group="group {name}",
    scope_device="this desktop",
    in_force="in force",
    not_in_force="not in force: {reason}",
    clear_own="Remove own value",
    set_own="Set for this desktop…",
    no_config="Nothing is configured for this desktop",
    what="What",
    who="By",
    made="Made",
    sent="sent, not answered yet",
    not_sent="waits for the server",
    no_pending="No edit waits",
    no_pending_hint="What you change here without the server waits in this list until it is reached.",
    no_conflicts="No conflict is open",
    no_conflicts_hint="When the same thing is edited in two places at once, both versions wait here for a choice.",
    only_open="Only open ones",
    here="On this desktop",
    server="On the server",
    field="Field",
    take_mine="Take this desktop's version",
    leave="Leave it as it is",
    lost="The server's version holds.",
    rejected="The server refused this edit.",
    won="This desktop's version holds.",
    resolved_accepted="Left as it was.",
    resolved_restored="The version that had lost was taken.",
    password_changed="a new password",  # noqa: S106 -- a label
    entities={"users": "User", "roles": "Role", "config": "Configuration"},
    fields={
        "username": "name",
        "email": "e-mail",
        "is_active": "may sign in",
        "roles": "roles",
        "roles_added": "roles given",
        "roles_removed": "roles taken",
        "password": "password",
        "name": "name",
        "description": "description",
        "permissions": "rights",
        "permissions_added": "rights given",
        "permissions_removed": "rights taken",
        "value": "value",
        "deleted": "deleted",
    },
    permissions={
        "users:read": "See users and their roles",
        "users:write": "Create, change, disable and delete users",
        "roles:read": "See roles and rights",
        "roles:write": "Create, change and delete roles",
        "devices:read": "See one's own and shared devices",
        "devices:write": "Register, enrol, change and remove devices",
        "devices:all": "See every device, whoever owns it",
        "telemetry:read": "See readings",
        "telemetry:write": "Send readings over HTTP",
        "commands:read": "See commands and their progress",
        "commands:send": "Send commands",
        "config:read": "See configuration",
        "config:write": "Change configuration",
        "sync:read": "See sync, its log and its conflicts",
        "sync:resolve": "Resolve conflicts and force a sync",
        "alerts:read": "See alarms and rules",
        "alerts:acknowledge": "Acknowledge, comment and clear alarms",
        "alert_rules:write": "Create, change and delete alert rules",
        "audit:read": "Read the audit log",
        "reports:read": "Read reports",
        "system:read": "See the state of the system",
    },
    sync_state="With the server",
    activate="Enable",
    deactivate="Disable",
    value_hint="JSON; anything else is taken as a text.",
)

GERMAN: Final = AdministrationTexts(
    title="Verwaltung",
    users="Benutzer",
    roles="Rollen",
    config="Konfiguration",
    pending="Eigene Änderungen unterwegs",
    conflicts="Konflikte",
    conflicts_count="Konflikte ({count})",
    pending_count="Eigene Änderungen unterwegs ({count})",
    offline_note="Der Server ist nicht erreicht. Änderungen bleiben hier, markiert, und gehen ab, sobald er es ist.",
    name="Name",
    email="E-Mail",
    state="Zustand",
    active="Aktiv",
    inactive="Inaktiv",
    changed="Geändert",
    pending_new="Neu, wartet auf den Server",
    pending_deleted="Gelöscht, wartet auf den Server",
    pending_changed="Geändert ({fields}), wartet auf den Server",
    confirmed="Wie auf dem Server",
    new_user="Neuer Benutzer",
    edit_user="{name} bearbeiten",
    you="Sie",
    username_hint="2 bis 64 Buchstaben, Ziffern und . _ - @ +",
    email_hint="Kann leer bleiben.",
    password="Passwort",  # noqa: S106 -- a label
    new_password="Neues Passwort",  # noqa: S106 -- a label
    password_hint="Mindestens 8 Zeichen. Es wird hier versiegelt; nur der Server kann es lesen.",  # noqa: S106 -- a hint
    new_password_hint="Bleibt es leer, ändert es sich nicht.",  # noqa: S106 -- a hint
    roles_of="Rollen",
    no_role_hint="Ohne Rolle kann man sich anmelden und sieht nichts.",
    beyond_own="Sie können nicht geben, was Sie nicht haben: {rights}",
    may_sign_in="Darf sich anmelden",
    no_users="Niemand passt dazu",
    no_roles="Keine Rolle passt dazu",
    delete_title="{name} löschen?",
    delete_user_text="Das Konto ist endgültig weg, sobald der Server es hört. Was war, bleibt im Protokoll.",
    delete_role_text="Niemand kann diese Rolle mehr bekommen.",
    not_yourself="Nicht mit dem eigenen Konto.",
    new_role="Neue Rolle",
    edit_role="{name} bearbeiten",
    description="Beschreibung",
    rights="Rechte",
    rights_count=Plural("{count} Recht", "{count} Rechte"),
    people="Personen",
    built_in="eingebaut",
    built_in_hint="Eine eingebaute Rolle kann nicht geändert werden.",
    role_hint="2 bis 64 Buchstaben, Ziffern, Leerzeichen und . _ -",
    kept="Hier aufbewahrt; der Server hört davon, sobald er erreicht ist.",
    bad_username="2 bis 64 Buchstaben, Ziffern und . _ - @ +, zuerst ein Buchstabe oder eine Ziffer.",
    bad_email="Das ist keine E-Mail-Adresse.",
    bad_role="2 bis 64 Buchstaben, Ziffern, Leerzeichen und . _ -",
    bad_password="Mindestens 8 Zeichen.",  # noqa: S106 -- a hint
    password_is_name="Das Passwort darf nicht der Name sein.",  # noqa: S106 -- a hint
    edit="Bearbeiten",
    key="Schlüssel",
    value="Wert",
    scope="Für",
    scope_all="alle",
    scope_group="Gruppe {name}",
    scope_device="diesen Arbeitsplatz",
    in_force="gilt",
    not_in_force="gilt nicht: {reason}",
    clear_own="Eigenen Wert entfernen",
    set_own="Für diesen Arbeitsplatz setzen…",
    no_config="Für diesen Arbeitsplatz ist nichts eingestellt",
    what="Was",
    who="Von",
    made="Gemacht",
    sent="gesendet, noch ohne Antwort",
    not_sent="wartet auf den Server",
    no_pending="Keine Änderung wartet",
    no_pending_hint="Was Sie hier ohne den Server ändern, wartet in dieser Liste, bis er erreicht ist.",
    no_conflicts="Kein Konflikt ist offen",
    no_conflicts_hint="Wird dasselbe an zwei Orten zugleich geändert, warten hier beide Fassungen auf eine Wahl.",
    only_open="Nur offene",
    here="An diesem Arbeitsplatz",
    server="Auf dem Server",
    field="Feld",
    take_mine="Fassung dieses Arbeitsplatzes nehmen",
    leave="So lassen",
    lost="Es gilt die Fassung des Servers.",
    rejected="Der Server hat diese Änderung abgelehnt.",
    won="Es gilt die Fassung dieses Arbeitsplatzes.",
    resolved_accepted="So gelassen.",
    resolved_restored="Die unterlegene Fassung wurde genommen.",
    password_changed="ein neues Passwort",  # noqa: S106 -- a label
    entities={"users": "Benutzer", "roles": "Rolle", "config": "Konfiguration"},
    fields={
        "username": "Name",
        "email": "E-Mail",
        "is_active": "darf sich anmelden",
        "roles": "Rollen",
        "roles_added": "gegebene Rollen",
        "roles_removed": "entzogene Rollen",
        "password": "Passwort",
        "name": "Name",
        "description": "Beschreibung",
        "permissions": "Rechte",
        "permissions_added": "gegebene Rechte",
        "permissions_removed": "entzogene Rechte",
        "value": "Wert",
        "deleted": "gelöscht",
    },
    permissions={
        "users:read": "Benutzer und ihre Rollen sehen",
        "users:write": "Benutzer anlegen, ändern, sperren und löschen",
        "roles:read": "Rollen und Rechte sehen",
        "roles:write": "Rollen anlegen, ändern und löschen",
        "devices:read": "Eigene und geteilte Geräte sehen",
        "devices:write": "Geräte anmelden, ändern und entfernen",
        "devices:all": "Alle Geräte sehen",
        "telemetry:read": "Messwerte sehen",
        "telemetry:write": "Messwerte über HTTP senden",
        "commands:read": "Befehle und ihren Verlauf sehen",
        "commands:send": "Befehle senden",
        "config:read": "Konfiguration sehen",
        "config:write": "Konfiguration ändern",
        "sync:read": "Abgleich, Verlauf und Konflikte sehen",
        "sync:resolve": "Konflikte entscheiden und Abgleich auslösen",
        "alerts:read": "Alarme und Regeln sehen",
        "alerts:acknowledge": "Alarme quittieren, kommentieren und löschen",
        "alert_rules:write": "Alarmregeln anlegen, ändern und löschen",
        "audit:read": "Das Protokoll lesen",
        "reports:read": "Berichte lesen",
        "system:read": "Den Zustand des Systems sehen",
    },
    sync_state="Beim Server",
    activate="Freigeben",
    deactivate="Sperren",
    value_hint="JSON; alles andere gilt als Text.",
)
