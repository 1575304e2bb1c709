"""What every window says: actions, empty and failed lists, the tray, about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneralTexts:
    """Words used everywhere."""

    product: str = "PrecisionPulse"
    close: str
    cancel: str
    save: str
    delete: str
    create: str
    retry: str
    loading: str
    slow: str
    failed: str
    refused: str
    not_allowed: str
    needs_agent: str
    search: str
    older: str
    export: str
    exported: str
    export_failed: str
    copy: str
    nothing_fits: str
    never: str
    yes: str
    no: str
    show: str
    new_window: str
    exit: str
    exit_title: str
    exit_question: str
    exit_window: str
    hidden_in_tray: str
    about: str
    about_claim: str
    version_window: str
    version_agent: str
    version_protocol: str
    data_folder: str
    licences: str
    licence_text: str


ENGLISH: Final = GeneralTexts(
    close="Close",
    cancel="Cancel",
    save="Save",
    delete="Delete",
    create="Create",
    retry="Try again",
    loading="Loading…",
    slow="This takes longer than it should.",
    failed="That did not work: {reason}",
    refused="This was refused ({code}).",
    not_allowed="You are not allowed to do this ({permission}).",
    needs_agent="The agent does not answer at the moment.",
    search="Search",
    older="Show more",
    export="Export…",
    exported="{count} written to {file}.",
    export_failed="Not written: {reason}",
    copy="Copy",
    nothing_fits="Nothing matches.",
    never="never",
    yes="Yes",
    no="No",
    show="Show window",
    new_window="New window",
    exit="Exit",
    exit_title="Close PrecisionPulse?",
    exit_question="Only the window closes. The agent goes on taking and delivering readings.",
    exit_window="Close the window",
    hidden_in_tray="PrecisionPulse goes on in the tray.",
    about="About PrecisionPulse",
    about_claim="Every reading, live, and never lost.",
    version_window="Window",
    version_agent="Agent",
    version_protocol="Protocol",
    data_folder="Data folder",
    licences="Licences",
    licence_text=(
        "PrecisionPulse is under the Apache License 2.0. This window uses Qt and Qt for Python (PySide6), which are "
        "under the GNU Lesser General Public License 3.0 and linked dynamically: you may replace them by your own "
        "build. Python is under the PSF License, Pydantic under the MIT License. Symbols and colours are our own."
    ),
)

GERMAN: Final = GeneralTexts(
    close="Schließen",
    cancel="Abbrechen",
    save="Speichern",
    delete="Löschen",
    create="Anlegen",
    retry="Erneut versuchen",
    loading="Wird geladen…",
    slow="Das dauert länger, als es sollte.",
    failed="Das hat nicht funktioniert: {reason}",
    refused="Das wurde abgelehnt ({code}).",
    not_allowed="Dazu fehlt Ihnen das Recht ({permission}).",
    needs_agent="Der Agent antwortet gerade nicht.",
    search="Suchen",
    older="Mehr zeigen",
    export="Exportieren…",
    exported="{count} nach {file} geschrieben.",
    export_failed="Nicht geschrieben: {reason}",
    copy="Kopieren",
    nothing_fits="Nichts passt dazu.",
    never="nie",
    yes="Ja",
    no="Nein",
    show="Fenster zeigen",
    new_window="Neues Fenster",
    exit="Beenden",
    exit_title="PrecisionPulse schließen?",
    exit_question="Nur das Fenster schließt sich. Der Agent nimmt weiter Messwerte auf und liefert sie aus.",
    exit_window="Fenster schließen",
    hidden_in_tray="PrecisionPulse läuft in der Taskleiste weiter.",
    about="Über PrecisionPulse",
    about_claim="Jeder Messwert, live, und keiner geht verloren.",
    version_window="Fenster",
    version_agent="Agent",
    version_protocol="Protokoll",
    data_folder="Datenordner",
    licences="Lizenzen",
    licence_text=(
        "PrecisionPulse steht unter der Apache License 2.0. Dieses Fenster benutzt Qt und Qt für Python (PySide6); sie "
        "stehen unter der GNU Lesser General Public License 3.0 und sind dynamisch gebunden: Sie dürfen sie durch "
        "eigene ersetzen. Python steht unter der PSF License, Pydantic unter der MIT License. Zeichen und Farben sind "
        "unsere eigenen."
    ),
)
