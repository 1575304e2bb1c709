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
