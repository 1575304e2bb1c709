"""The settings: of this device, of the agent and of this window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsTexts:
    """Words of the settings; `keys`, `meanings`, `units` and `origin` by the names of the contract."""

    title: str
    read_only: str
    device: str
    device_id: str
    device_name: str
    broker: str
    encrypted: str
    unencrypted: str
    key_store: str
    key_store_keyring: str
    key_store_file: str
    agent: str
    window: str
    origin: dict[str, str]
    reset: str
    changed_elsewhere: str
    typed_stays: str
    not_applicable: str
    bad_value: str
    saved: str
    keys: dict[str, str]
    meanings: dict[str, str]
    units: dict[str, str]
    between: str
    at_least: str
    at_most: str
    whole_number: str
    number: str
    too_long: str
    autostart: str
    autostart_hint: str
    tray: str
    tray_hint: str
    no_tray: str


ENGLISH: Final = SettingsTexts(
    title="Settings",
    read_only="You can see these settings; changing them needs the right {permission}.",
    device="This device",
    device_id="Device id",
    device_name="Name",
    broker="Broker",
    encrypted="{host}:{port}, encrypted",
    unencrypted="{host}:{port}, WITHOUT encryption",
    key_store="Key",
    key_store_keyring="in the keyring of this user",
    key_store_file="in a file that only you may read",
    agent="Readings and delivery",
    window="This window",
    origin={
        "default": "default",
        "local": "set on this machine",
        "all": "set for all",
        "group": "set for a group",
        "device": "set for this desktop",
    },
    reset="Reset",
    changed_elsewhere="Changed meanwhile: {what}.",
    typed_stays="{change} (what you typed stays)",
    not_applicable="This cannot be put into effect here.",
    bad_value="This value does not fit.",
    saved="Saved; in force from now on.",
    keys={
        "telemetry.interval_ms": "Interval between readings",
        "telemetry.sources": "Sources",
        "outbox.max_bytes": "Room for undelivered readings",
        "outbox.max_age_s": "Keep undelivered readings for at most",
        "outbox.policy": "When the room is used up",
        "log.level": "Level of the log",
        "sync.pull_interval_s": "Ask for changes every",
        "updates.mode": "Newer versions (off, tell, download)",
    },
    meanings={
        "outbox.max_age_s": "With 0, none expires; otherwise older ones may be dropped, and are listed as losses.",
    },
    units={"bytes": "bytes", "s": "seconds"},
    between="From {low} to {high}.",
    at_least="At least {low}.",
    at_most="At most {high}.",
    whole_number="A whole number.",
    number="A number.",
    too_long="At most {count} characters.",
    autostart="Open when I sign in to this computer",
    autostart_hint="The agent then runs from the start, too.",
    tray="Go on in the tray when the window is closed",
    tray_hint="Notices are shown there.",
    no_tray="This desktop has no tray; notices are shown in the window.",
)

GERMAN: Final = SettingsTexts(
    title="Einstellungen",
    read_only="Sie können diese Einstellungen sehen; zum Ändern braucht es das Recht {permission}.",
    device="Dieses Gerät",
    device_id="Kennung",
    device_name="Name",
    broker="Verteiler",
    encrypted="{host}:{port}, verschlüsselt",
    unencrypted="{host}:{port}, OHNE Verschlüsselung",
    key_store="Schlüssel",
    key_store_keyring="im Schlüsselbund dieses Benutzers",
    key_store_file="in einer Datei, die nur Sie lesen dürfen",
    agent="Messwerte und Auslieferung",
    window="Dieses Fenster",
    origin={
        "default": "Vorgabe",
        "local": "an diesem Rechner gesetzt",
        "all": "für alle gesetzt",
        "group": "für eine Gruppe gesetzt",
        "device": "für diesen Arbeitsplatz gesetzt",
    },
    reset="Zurücksetzen",
    changed_elsewhere="Inzwischen geändert: {what}.",
    typed_stays="{change} (Ihre Eingabe bleibt stehen)",
    not_applicable="Das lässt sich hier nicht in Kraft setzen.",
    bad_value="Dieser Wert passt nicht.",
    saved="Gespeichert; gilt ab jetzt.",
    keys={
        "telemetry.interval_ms": "Abstand der Messwerte",
        "telemetry.sources": "Quellen",
        "outbox.max_bytes": "Platz für nicht Ausgeliefertes",
        "outbox.max_age_s": "Nicht Ausgeliefertes behalten, höchstens",
        "outbox.policy": "Wenn der Platz verbraucht ist",
        "log.level": "Stufe des Protokolls",
        "sync.pull_interval_s": "Nach Änderungen fragen alle",
        "updates.mode": "Neuere Versionen (off: nie, tell: melden, download: laden)",
    },
    meanings={
        "outbox.max_age_s": "Mit 0 verfällt nichts; sonst darf Älteres verworfen werden und steht bei den Verlusten.",
    },
    units={"bytes": "Byte", "s": "Sekunden"},
    between="Von {low} bis {high}.",
    at_least="Mindestens {low}.",
    at_most="Höchstens {high}.",
    whole_number="Eine ganze Zahl.",
    number="Eine Zahl.",
    too_long="Höchstens {count} Zeichen.",
    autostart="Beim Anmelden an diesem Rechner öffnen",
    autostart_hint="Dann läuft auch der Agent von Anfang an.",
    tray="In der Taskleiste weiterlaufen, wenn das Fenster geschlossen wird",
    tray_hint="Dort erscheinen Hinweise.",
    no_tray="Dieser Arbeitsplatz hat keine Taskleiste; Hinweise erscheinen im Fenster.",
)
