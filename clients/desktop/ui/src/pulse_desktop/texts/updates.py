"""Newer releases: whether there is one, what is new, its download, how it is installed, and what went wrong by its code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateTexts:
    """Words of the update's window; `problems` by `UpdateProblem`, `install` by `Platform`."""

    title: str
    menu: str
    line: str
    available: str
    none: str
    unknown: str
    off: str
    running: str
    released: str
    checked: str
    checking: str
    whats_new: str
    no_notes: str
    check: str
    download: str
    go_on: str
    cancel: str
    size: str
    managed: str
    no_file: str
    receiving: str
    waiting: str
    done: str
    how_to: str
    kept: str
    problems: dict[str, str]
    install: dict[str, str]


ENGLISH: Final = UpdateTexts(
    title="Updates",
    menu="Updates…",
    line="Version {version} is available",
    available="Version {version} is available.",
    none="This is the newest version.",
    unknown="It is not known yet whether there is a newer version.",
    off="The configuration says that nobody looks for newer versions here.",
    running="This computer runs version {version}.",
    released="Released on {date}.",
    checked="Last looked for {ago}.",
    checking="Looking…",
    whats_new="What is new",
    no_notes="The release says nothing about itself.",
    check="Check now",
    download="Download",
    go_on="Download again",
    cancel="Cancel",
    size="{size} into your downloads. Nothing is installed by itself.",
    managed="Whoever administers this computer installs its updates.",
    no_file="The release has no file for this computer.",
    receiving="{received} of {size}",
    waiting="{received} of {size}; the server is not reached at the moment, it goes on by itself.",
    done="It is in {path}, and it is what was signed.",
    how_to="How to install it",
    kept="Readings that are not delivered yet stay, and so do your settings.",
    problems={
        "unreachable": "The server is not reached.",
        "not_offered": "This server offers no releases.",
        "no_keys": "This build trusts no release key, so it believes no release.",
        "malformed": "What the server offers is no release.",
        "bad_signature": "What the server offers was not signed by whoever makes this program. It is not believed.",
        "unknown_key": "What the server offers was signed by a key that this build does not trust. It is not believed.",
        "expired": "What the server offers is out of date, or this computer's clock is wrong. It is not believed.",
        "rolled_back": "The server offers an older version than before. It is not believed.",
        "wrong_size": "The file is longer than what was signed. It was deleted.",
        "wrong_hash": "The file is not what was signed. It was deleted. Tell whoever runs the server.",
        "not_written": "The file could not be written.",
    },
    install={
        "linux-deb": "In a terminal: sudo apt install {path}\nThen restart the agent, or this computer.",
        "linux-folder": "End the agent, unpack the file over the old folder, and start the agent again.",
        "windows": "Open the file and follow it. It ends the agent, replaces the program and starts it again.",
        "macos": "Open the file and drag PrecisionPulse into Applications. Then restart the agent, or this computer.",
    },
)

GERMAN: Final = UpdateTexts(
    title="Aktualisierungen",
    menu="Aktualisierungen…",
    line="Version {version} ist verfügbar",
    available="Version {version} ist verfügbar.",
    none="Das ist die neueste Version.",
    unknown="Ob es eine neuere Version gibt, ist noch nicht bekannt.",
    off="Die Konfiguration sagt, dass hier niemand nach neueren Versionen sucht.",
    running="Auf diesem Rechner läuft Version {version}.",
    released="Erschienen am {date}.",
    checked="Zuletzt gesucht {ago}.",
    checking="Es wird gesucht…",
    whats_new="Was neu ist",
    no_notes="Die Version sagt nichts über sich.",
    check="Jetzt suchen",
    download="Herunterladen",
    go_on="Noch einmal herunterladen",
    cancel="Abbrechen",
    size="{size} in Ihre Downloads. Von selbst wird nichts installiert.",
    managed="Wer diesen Rechner verwaltet, installiert seine Aktualisierungen.",
    no_file="Für diesen Rechner hat die Version keine Datei.",
    receiving="{received} von {size}",
    waiting="{received} von {size}; der Server ist gerade nicht erreicht, es geht von selbst weiter.",
    done="Sie liegt in {path} und ist das, was signiert wurde.",
    how_to="So wird sie installiert",
    kept="Nicht ausgelieferte Messwerte bleiben, und Ihre Einstellungen auch.",
    problems={
        "unreachable": "Der Server ist nicht erreicht.",
        "not_offered": "Dieser Server bietet keine Versionen an.",
        "no_keys": "Dieses Programm vertraut keinem Schlüssel für Versionen, also glaubt es keiner.",
        "malformed": "Was der Server anbietet, ist keine Version.",
        "bad_signature": "Was der Server anbietet, kommt nicht vom Hersteller. Es wird ihm nicht geglaubt.",
        "unknown_key": "Was der Server anbietet, trägt einen Schlüssel, dem dieses Programm nicht vertraut.",
        "expired": "Was der Server anbietet, ist abgelaufen, oder die Uhr dieses Rechners geht falsch.",
        "rolled_back": "Der Server bietet eine ältere Version an als zuvor. Es wird ihm nicht geglaubt.",
        "wrong_size": "Die Datei ist länger als das, was signiert wurde. Sie wurde gelöscht.",
        "wrong_hash": "Die Datei ist nicht das, was signiert wurde. Sie wurde gelöscht. Sagen Sie es dem Betreiber.",
        "not_written": "Die Datei konnte nicht geschrieben werden.",
    },
    install={
        "linux-deb": "In einem Terminal: sudo apt install {path}\nDann den Agenten oder den Rechner neu starten.",
        "linux-folder": "Den Agenten beenden, die Datei über den alten Ordner entpacken, den Agenten wieder starten.",
        "windows": "Die Datei öffnen und ihr folgen. Sie beendet den Agenten, ersetzt das Programm und startet es wieder.",
        "macos": "Die Datei öffnen, PrecisionPulse in die Programme ziehen, dann den Agenten oder den Rechner neu starten.",
    },
)
