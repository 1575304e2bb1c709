"""The main window and signing in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pulse_desktop.texts.language import Plural


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeTexts:
    """Signing in, the connection in words, the value, what waits."""

    sign_in: str
    signing_in: str
    username: str
    password: str
    remember: str
    remember_hint: str
    missing: str
    signed_in_online: str
    signed_in_offline: str
    lease_until: str
    lease_ends: str
    sign_out: str
    account: str
    session_ended: str
    agent_was_gone: str
    not_synced: str
    server_reached: str
    server_not_reached: str
    wait: Plural
    connection: str
    disconnected: str
    connecting: str
    online: str
    draining: str
    offline_buffering: str
    since: str
    next_try: str
    next_try_now: str
    reasons: dict[str, str]
    agent_starting: str
    agent_lost: str
    agent_lost_why: str
    agent_dead: str
    agent_restart_in: str
    agent_restarting: str
    agent_mended: Plural
    agent_incompatible: str
    agent_incompatible_hint: str
    link_causes: dict[str, str]
    refusals: dict[str, str]
    notice_quarantined: Plural
    notice_fullness: dict[str, str]
    notice_damaged: str
    notice_undone: str
    sync_failing: str
    kept_safe: str
    waiting_for_agent: str
    current_value: str
    metric: str
    no_values: str
    no_values_hint: str
    no_right_to_values: str
    fresh: str
    stale: str
    buffered: str
    buffered_none: str
    buffered_of: str
    oldest: str
    disk_low: str
    fullness_warning: str
    fullness_critical: str
    last_sync: str
    sync_now: str
    syncing: str
    synced: str
    synced_differed: str
    sync_failed: str
    sync_off: str
    behind: Plural
    pending_edits: Plural
    up_to_date: str
    as_of_then: str
    not_set_up: str
    not_set_up_why: str
    drain: str
    drain_left: Plural
    drain_rate: str
    drain_rate_unknown: str
    drain_time: str
    drain_time_unknown: str
    chart: str
    chart_empty: str
    chart_span: str
    chart_summary: str
    settings: str
    administration: str
    records: str
    logs: str
    problems_waiting: str
    quarantined: Plural
    losses: Plural
    undone: Plural
    look: str
    menu_file: str
    menu_tools: str
    menu_help: str
    theme: str
    theme_system: str
    theme_light: str
    theme_dark: str
    language: str
    tray_tip: str


ENGLISH: Final = HomeTexts(
    sign_in="Sign in",
    signing_in="Signing in…",
    username="Name",
    password="Password",  # noqa: S106 -- a label
    remember="Remember my name",
    remember_hint="Only the name is kept, never the password.",
    missing="Needed.",
    signed_in_online="Signed in, server reached",
    signed_in_offline="Signed in offline",
    lease_until="You may work here without the server until {time}.",
    lease_ends="In {span} you can no longer sign in here without the server.",
    sign_out="Sign out",
    account="Account of {name}",
    session_ended="Your session ended. Sign in again.",
    agent_was_gone="The agent was restarted. Sign in again.",
    not_synced="This desktop has not taken over its people from the server yet. Signing in works once it did.",
    server_reached="The server is reached.",
    server_not_reached="The server is not reached. You can sign in offline.",
    wait=Plural("Too many attempts. Try again in {count} s.", "Too many attempts. Try again in {count} s."),
    connection="Connection",
    disconnected="Disconnected",
    connecting="Connecting",
    online="Online",
    draining="Draining",
    offline_buffering="Offline buffering",
    since="since {time}, {span}",
    next_try="Next attempt in {span}.",
    next_try_now="Trying again now.",
    reasons={
        "starting": "The agent has just started.",
        "reaching": "Reaching for the server.",
        "greeting": "Reached; waiting for the server's welcome.",
        "welcomed": "Every reading goes to the server as it is taken.",
        "catching_up": "The server takes what was kept meanwhile.",
        "not_reachable": "The server cannot be reached.",
        "not_authorized": "The server refuses this device. An administrator can give it a new key.",
        "taken_over": "Another program uses this device's identity.",
        "link_lost": "The connection broke off.",
        "no_answer": "The server is reached but does not confirm readings.",
        "stopped": "The agent is stopping.",
    },
    agent_starting="The agent is starting",
    agent_lost="The agent does not run",
    agent_lost_why="No readings are taken since {time}. What was kept is safe on this disk.",
    agent_dead="It ended with code {code}: {detail}",
    agent_restart_in="It is started again in {span}.",
    agent_restarting="It is being started again.",
    agent_mended=Plural("The agent runs again after a restart.", "The agent runs again, after {count} restarts."),
    agent_incompatible="The agent does not fit this window",
    agent_incompatible_hint="Install the same version of both, then open the window again.",
    link_causes={
        "closed": "It closed the connection.",
        "silent": "It does not answer.",
        "garbled": "It sent something that this window does not understand.",
        "not_started": "It cannot be started: {detail}.",
        "in_use": "Another agent holds this folder and does not answer.",
    },
    refusals={
        "version_not_supported": "Agent and window have no version of their protocol in common.",
        "bad_frame": "The agent did not understand this window.",
        "line_too_long": "This window said more at once than the agent takes.",
        "too_many_windows": "As many windows are open as the agent serves. Close one.",
        "no_hello": "The agent did not hear this window's greeting.",
        "stopping": "The agent stops or starts anew.",
    },
    notice_quarantined=Plural(
        "The server refused {count} reading for good. It is kept in quarantine.",
        "The server refused {count} readings for good. They are kept in quarantine.",
    ),
    notice_fullness={
        "normal": "There is room for undelivered readings again.",
        "warning": "The room for undelivered readings is getting scarce.",
        "critical": "The room for undelivered readings is almost used up.",
    },
    notice_damaged="The file with undelivered readings was damaged. What could be read was kept.",
    notice_undone="Your change of {what} does not stand. {outcome}",
    sync_failing="Sync fails at the moment and goes on by itself.",
    kept_safe="Readings are kept on this disk and nothing is lost.",
    waiting_for_agent="One moment: the agent of this computer is being reached.",
    current_value="Current value",
    metric="Metric",
    no_values="No values yet",
    no_values_hint="They appear here with the first reading.",
    no_right_to_values="You have no right to see readings ({permission}).",
    fresh="{age}",
    stale="stale, {age}",
    buffered="Buffered records",
    buffered_none="Nothing waits",
    buffered_of="{used} of {room}",
    oldest="oldest from {time}",
    disk_low="This disk is almost full.",
    fullness_warning="The buffer is more than 70% full.",
    fullness_critical="The buffer is more than 90% full.",
    last_sync="Last sync",
    sync_now="Sync now",
    syncing="Comparing…",
    synced="Everything is the same here and on the server.",
    synced_differed="Compared; taken over: {what}.",
    sync_failed="Not compared: {reason}",
    sync_off="This desktop takes no part in sync.",
    behind=Plural("{count} change behind", "{count} changes behind"),
    pending_edits=Plural("{count} edit waits for the server", "{count} edits wait for the server"),
    up_to_date="Up to date",
    as_of_then="As it was then",
    not_set_up="Not set up",
    not_set_up_why="This computer is not a device of a server yet.",
    drain="Catching up",
    drain_left=Plural("{count} record left", "{count} records left"),
    drain_rate="{rate} records/s",
    drain_rate_unknown="measuring the rate",
    drain_time="about {span} left",
    drain_time_unknown="time left not known yet",
    chart="Live chart",
    chart_empty="No values in this span yet.",
    chart_span="Time span",
    chart_summary="{name}: {value} at {time}",
    settings="Settings",
    administration="Administration",
    records="Quarantine and losses",
    logs="Logs",
    problems_waiting="Needs a look",
    quarantined=Plural("{count} reading in quarantine", "{count} readings in quarantine"),
    losses=Plural("{count} range of readings lost", "{count} ranges of readings lost"),
    undone=Plural("{count} edit of this desktop did not stand", "{count} edits of this desktop did not stand"),
    look="Look",
    menu_file="&Window",
    menu_tools="&Tools",
    menu_help="&Help",
    theme="Appearance",
    theme_system="Like the system",
    theme_light="Light",
    theme_dark="Dark",
    language="Language",
    tray_tip="{product}: {state}, {buffered} buffered",
)

GERMAN: Final = HomeTexts(
    sign_in="Anmelden",
    signing_in="Wird angemeldet…",
    username="Name",
    password="Passwort",  # noqa: S106 -- a label
    remember="Meinen Namen merken",
    remember_hint="Nur der Name wird gemerkt, nie das Passwort.",
    missing="Wird gebraucht.",
    signed_in_online="Angemeldet, Server erreicht",
    signed_in_offline="Offline angemeldet",
    lease_until="Ohne den Server können Sie hier bis {time} arbeiten.",
    lease_ends="In {span} können Sie sich hier ohne den Server nicht mehr anmelden.",
    sign_out="Abmelden",
    account="Konto von {name}",
    session_ended="Ihre Sitzung ist zu Ende. Melden Sie sich neu an.",
    agent_was_gone="Der Agent wurde neu gestartet. Melden Sie sich neu an.",
    not_synced="Dieser Arbeitsplatz hat seine Personen noch nicht vom Server. Danach können Sie sich anmelden.",
    server_reached="Der Server ist erreicht.",
    server_not_reached="Der Server ist nicht erreicht. Sie können sich offline anmelden.",
    wait=Plural(
        "Zu viele Versuche. Versuchen Sie es in {count} s erneut.",
        "Zu viele Versuche. Versuchen Sie es in {count} s erneut.",
    ),
    connection="Verbindung",
    disconnected="Getrennt",
    connecting="Verbindet",
    online="Online",
    draining="Holt auf",
    offline_buffering="Offline, puffert",
    since="seit {time}, {span}",
    next_try="Nächster Versuch in {span}.",
    next_try_now="Nächster Versuch läuft.",
    reasons={
        "starting": "Der Agent ist gerade gestartet.",
        "reaching": "Der Server wird gesucht.",
        "greeting": "Erreicht; die Begrüßung des Servers fehlt noch.",
        "welcomed": "Jeder Messwert geht sofort zum Server.",
        "catching_up": "Der Server übernimmt, was inzwischen aufbewahrt wurde.",
        "not_reachable": "Der Server ist nicht erreichbar.",
        "not_authorized": "Der Server weist dieses Gerät ab. Wer verwaltet, kann ihm einen neuen Schlüssel geben.",
        "taken_over": "Ein anderes Programm benutzt die Identität dieses Geräts.",
        "link_lost": "Die Verbindung ist abgerissen.",
        "no_answer": "Der Server ist erreicht, bestätigt aber keine Messwerte.",
        "stopped": "Der Agent hält gerade an.",
    },
    agent_starting="Der Agent startet",
    agent_lost="Der Agent läuft nicht",
    agent_lost_why="Seit {time} werden keine Messwerte aufgenommen. Was aufbewahrt war, ist sicher auf dieser Platte.",
    agent_dead="Er endete mit Code {code}: {detail}",
    agent_restart_in="In {span} wird er wieder gestartet.",
    agent_restarting="Er wird gerade wieder gestartet.",
    agent_mended=Plural(
        "Der Agent läuft nach einem Neustart wieder.", "Der Agent läuft nach {count} Neustarts wieder."
    ),
    agent_incompatible="Der Agent passt nicht zu diesem Fenster",
    agent_incompatible_hint="Installieren Sie beide in derselben Version und öffnen Sie das Fenster neu.",
    link_causes={
        "closed": "Er hat die Verbindung geschlossen.",
        "silent": "Er antwortet nicht.",
        "garbled": "Er hat etwas gesendet, das dieses Fenster nicht versteht.",
        "not_started": "Er lässt sich nicht starten: {detail}.",
        "in_use": "Ein anderer Agent hält diesen Ordner und antwortet nicht.",
    },
    refusals={
        "version_not_supported": "Agent und Fenster haben keine Fassung ihres Protokolls gemeinsam.",
        "bad_frame": "Der Agent hat dieses Fenster nicht verstanden.",
        "line_too_long": "Dieses Fenster hat mehr auf einmal gesagt, als der Agent annimmt.",
        "too_many_windows": "Mehr Fenster bedient der Agent nicht. Schließen Sie eines.",
        "no_hello": "Der Agent hat den Gruß dieses Fensters nicht gehört.",
        "stopping": "Der Agent hält an oder startet neu.",
    },
    notice_quarantined=Plural(
        "Der Server hat {count} Messwert endgültig abgelehnt. Er liegt in der Quarantäne.",
        "Der Server hat {count} Messwerte endgültig abgelehnt. Sie liegen in der Quarantäne.",
    ),
    notice_fullness={
        "normal": "Für nicht ausgelieferte Messwerte ist wieder Platz.",
        "warning": "Der Platz für nicht ausgelieferte Messwerte wird knapp.",
        "critical": "Der Platz für nicht ausgelieferte Messwerte ist fast verbraucht.",
    },
    notice_damaged="Die Datei mit nicht ausgelieferten Messwerten war beschädigt. Was lesbar war, ist noch da.",
    notice_undone="Ihre Änderung gilt nicht: {what}. {outcome}",
    sync_failing="Der Abgleich gelingt gerade nicht. Er geht von selbst weiter.",
    kept_safe="Messwerte werden auf dieser Platte aufbewahrt; nichts geht verloren.",
    waiting_for_agent="Einen Moment: der Agent dieses Rechners wird gesucht.",
    current_value="Aktueller Wert",
    metric="Messgröße",
    no_values="Noch keine Werte",
    no_values_hint="Sie erscheinen hier mit dem ersten Messwert.",
    no_right_to_values="Sie dürfen keine Messwerte sehen ({permission}).",
    fresh="{age}",
    stale="veraltet, {age}",
    buffered="Gepufferte Messwerte",
    buffered_none="Nichts wartet",
    buffered_of="{used} von {room}",
    oldest="ältester von {time}",
    disk_low="Diese Platte ist fast voll.",
    fullness_warning="Der Puffer ist zu mehr als 70 % gefüllt.",
    fullness_critical="Der Puffer ist zu mehr als 90 % gefüllt.",
    last_sync="Letzter Abgleich",
    sync_now="Jetzt abgleichen",
    syncing="Wird verglichen…",
    synced="Hier und auf dem Server ist alles gleich.",
    synced_differed="Verglichen; übernommen: {what}.",
    sync_failed="Nicht verglichen: {reason}",
    sync_off="Dieser Arbeitsplatz nimmt nicht am Abgleich teil.",
    behind=Plural("{count} Änderung zurück", "{count} Änderungen zurück"),
    pending_edits=Plural("{count} Änderung wartet auf den Server", "{count} Änderungen warten auf den Server"),
    up_to_date="Auf dem Stand",
    as_of_then="Stand von damals",
    not_set_up="Nicht eingerichtet",
    not_set_up_why="Dieser Rechner ist noch kein Gerät eines Servers.",
    drain="Wird aufgeholt",
    drain_left=Plural("noch {count} Messwert", "noch {count} Messwerte"),
    drain_rate="{rate} Messwerte/s",
    drain_rate_unknown="Tempo wird gemessen",
    drain_time="noch etwa {span}",
    drain_time_unknown="Restzeit noch nicht bekannt",
    chart="Live-Diagramm",
    chart_empty="In diesem Zeitraum noch keine Werte.",
    chart_span="Zeitraum",
    chart_summary="{name}: {value} um {time}",
    settings="Einstellungen",
    administration="Verwaltung",
    records="Quarantäne und Verluste",
    logs="Protokoll",
    problems_waiting="Braucht einen Blick",
    quarantined=Plural("{count} Messwert in Quarantäne", "{count} Messwerte in Quarantäne"),
    losses=Plural("{count} Bereich von Messwerten verloren", "{count} Bereiche von Messwerten verloren"),
    undone=Plural(
        "{count} Änderung dieses Arbeitsplatzes gilt nicht", "{count} Änderungen dieses Arbeitsplatzes gelten nicht"
    ),
    look="Ansehen",
    menu_file="&Fenster",
    menu_tools="&Werkzeuge",
    menu_help="&Hilfe",
    theme="Aussehen",
    theme_system="Wie das System",
    theme_light="Hell",
    theme_dark="Dunkel",
    language="Sprache",
    tray_tip="{product}: {state}, {buffered} gepuffert",
)
