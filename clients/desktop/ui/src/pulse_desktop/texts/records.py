"""Quarantine, losses and the log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pulse_desktop.texts.language import Plural


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordTexts:
    """Words of the lists of what was refused, what was lost and what happened."""

    title: str
    quarantine: str
    losses: str
    quarantine_hint: str
    losses_hint: str
    no_quarantine: str
    no_quarantine_hint: str
    no_losses: str
    no_losses_hint: str
    taken: str
    moved: str
    sequence: str
    reason: str
    reading: str
    range: str
    count: str
    at: str
    told: str
    told_yes: str
    told_no: str
    clear: str
    clear_title: str
    clear_text: str
    cleared: Plural
    shown_of: str
    readings: Plural
    ranges: Plural
    loss_reasons: dict[str, str]
    rejections: dict[str, str]
    logs: str
    log_level: str
    follow: str
    part: str
    event: str
    details: str
    no_logs: str
    no_logs_hint: str
    dropped: Plural
    levels: dict[str, str]
    records: Plural


ENGLISH: Final = RecordTexts(
    title="Quarantine and losses",
    quarantine="Quarantine",
    losses="Losses",
    quarantine_hint="Readings that the server refused for good, or that were damaged on this disk. Nothing is thrown away.",
    losses_hint="Readings that are gone, counted and told to the server, so that nobody takes them for still to come.",
    no_quarantine="Nothing is in quarantine",
    no_quarantine_hint="Every reading was accepted so far.",
    no_losses="Nothing was lost",
    no_losses_hint="Every reading is on this disk or with the server.",
    taken="Taken",
    moved="Put aside",
    sequence="Number",
    reason="Reason",
    reading="Reading",
    range="Numbers",
    count="Readings",
    at="Time",
    told="Server",
    told_yes="told {time}",
    told_no="not told yet",
    clear="Delete what is shown…",
    clear_title="Delete {count} from quarantine?",
    clear_text="They are gone for good. Export them first if anybody may still need them.",
    cleared=Plural("{count} reading deleted.", "{count} readings deleted."),
    shown_of="{shown} of {total}",
    readings=Plural("{count} reading", "{count} readings"),
    ranges=Plural("{count} range", "{count} ranges"),
    loss_reasons={
        "quota": "the room was used up",
        "age": "older than allowed",
        "disk": "the disk was full",
        "corrupt": "damaged on the disk",
        "error": "could not be kept",
    },
    rejections={
        "not_utf8": "not valid text",
        "not_json": "not valid JSON",
        "bad_shape": "not built as a reading",
        "bad_value": "a value that nobody takes",
        "bad_metric_key": "a metric's name is not allowed",
        "bad_timestamp": "its time is not possible",
        "bad_sequence": "its number is not possible",
        "too_large": "too large",
        "too_many_metrics": "too many metrics",
        "too_deep": "nested too deeply",
        "no_metrics": "without any metric",
        "wrong_topic": "sent to the wrong place",
        "wrong_client": "of another device",
        "wrong_key": "the key does not fit",
        "unknown_device": "the server does not know this device",
        "rate_limited": "too many at once",
        "checksum": "damaged on this disk",
    },
    logs="Logs",
    log_level="Level",
    follow="Follow",
    part="Part",
    event="Event",
    details="Details",
    no_logs="Nothing of this level yet",
    no_logs_hint="The agent keeps its newest records in memory.",
    dropped=Plural("{count} record was skipped: too many at once.", "{count} records were skipped: too many at once."),
    levels={"debug": "Debug", "info": "Info", "warning": "Warning", "error": "Error", "critical": "Critical"},
    records=Plural("{count} record", "{count} records"),
)

GERMAN: Final = RecordTexts(
    title="Quarantäne und Verluste",
    quarantine="Quarantäne",
    losses="Verluste",
    quarantine_hint="Messwerte, die der Server endgültig ablehnte oder die hier beschädigt waren. Nichts wird weggeworfen.",
    losses_hint="Messwerte, die weg sind: gezählt und dem Server gesagt, damit niemand noch auf sie wartet.",
    no_quarantine="Nichts ist in Quarantäne",
    no_quarantine_hint="Bisher wurde jeder Messwert angenommen.",
    no_losses="Nichts ging verloren",
    no_losses_hint="Jeder Messwert ist auf dieser Platte oder beim Server.",
    taken="Aufgenommen",
    moved="Beiseitegelegt",
    sequence="Nummer",
    reason="Grund",
    reading="Messwert",
    range="Nummern",
    count="Messwerte",
    at="Zeit",
    told="Server",
    told_yes="weiß es, {time}",
    told_no="weiß es noch nicht",
    clear="Gezeigtes löschen…",
    clear_title="{count} aus der Quarantäne löschen?",
    clear_text="Sie sind dann endgültig weg. Exportieren Sie sie vorher, wenn sie noch jemand brauchen könnte.",
    cleared=Plural("{count} Messwert gelöscht.", "{count} Messwerte gelöscht."),
    shown_of="{shown} von {total}",
    readings=Plural("{count} Messwert", "{count} Messwerte"),
    ranges=Plural("{count} Bereich", "{count} Bereiche"),
    loss_reasons={
        "quota": "der Platz war verbraucht",
        "age": "älter als erlaubt",
        "disk": "die Platte war voll",
        "corrupt": "auf der Platte beschädigt",
        "error": "konnte nicht aufbewahrt werden",
    },
    rejections={
        "not_utf8": "kein gültiger Text",
        "not_json": "kein gültiges JSON",
        "bad_shape": "nicht wie ein Messwert gebaut",
        "bad_value": "ein Wert, den niemand annimmt",
        "bad_metric_key": "Name einer Messgröße nicht erlaubt",
        "bad_timestamp": "Zeitpunkt nicht möglich",
        "bad_sequence": "Nummer nicht möglich",
        "too_large": "zu groß",
        "too_many_metrics": "zu viele Messgrößen",
        "too_deep": "zu tief verschachtelt",
        "no_metrics": "ohne Messgröße",
        "wrong_topic": "an den falschen Ort gesendet",
        "wrong_client": "von einem anderen Gerät",
        "wrong_key": "der Schlüssel passt nicht",
        "unknown_device": "der Server kennt dieses Gerät nicht",
        "rate_limited": "zu viele auf einmal",
        "checksum": "auf dieser Platte beschädigt",
    },
    logs="Protokoll",
    log_level="Stufe",
    follow="Mitlaufen",
    part="Teil",
    event="Ereignis",
    details="Einzelheiten",
    no_logs="Noch nichts von dieser Stufe",
    no_logs_hint="Der Agent hält seine neuesten Einträge im Speicher.",
    dropped=Plural(
        "{count} Eintrag wurde übersprungen: zu viele auf einmal.",
        "{count} Einträge wurden übersprungen: zu viele auf einmal.",
    ),
    levels={"debug": "Debug", "info": "Info", "warning": "Warnung", "error": "Fehler", "critical": "Kritisch"},
    records=Plural("{count} Eintrag", "{count} Einträge"),
)
