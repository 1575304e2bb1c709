"""The first-run assistant: the server's address, the code, and each step that is checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class AssistantTexts:
    """`steps`, `states` and `advice` by the names of the contract; `advice` also by the code of what was found."""

    title: str
    intro: str
    address: str
    address_hint: str
    address_bad: str
    authority: str
    authority_hint: str
    authority_choose: str
    authority_clear: str
    authority_none: str
    authority_bad: str
    code: str
    code_hint: str
    code_bad: str
    keyring: str
    keyring_hint: str
    check: str
    checking: str
    enrol: str
    enrolling: str
    checked: str
    enrolled: str
    not_enrolled: str
    key_in_keyring: str
    key_in_file: str
    what_to_do: str
    steps: dict[str, str]
    states: dict[str, str]
    advice: dict[str, str]


ENGLISH: Final = AssistantTexts(
    title="Set up this computer",
    intro="Two things from your administrator make this computer a device: the server's address and a one-time code.",
    address="Server address",
    address_hint="For example https://pulse.example.org",
    address_bad="An address begins with https:// (or http:// on this machine) and names a host.",
    authority="Certificate authority",
    authority_hint="Only if the server's certificate is of your own authority: its PEM file.",
    authority_choose="Choose file…",
    authority_clear="Remove",
    authority_none="public authorities",
    authority_bad="This file is no PEM certificate.",
    code="Enrolment code",
    code_hint="The dashboard shows it under Devices, Add device. It works once.",
    code_bad="A code has 8 to 64 characters.",
    keyring="Keep the key in the keyring of this user",
    keyring_hint="Without a keyring the key lies in a file that only you can read.",
    check="Check the address",
    checking="Checking…",
    enrol="Set up",
    enrolling="Setting up…",
    checked="The server can be used. Enter the code and set up this computer.",
    enrolled="This computer is now {name}. The agent starts as this device.",
    not_enrolled="This computer is not set up. See the step that failed.",
    key_in_keyring="Its key is in the keyring of this user.",
    key_in_file="There is no keyring here: its key is in a file that only you may read.",
    what_to_do="What to do: {advice}",
    steps={
        "address": "The address can be read",
        "tls": "The certificate is trusted",
        "server": "It is a PrecisionPulse server",
        "clock": "The clocks agree",
        "code": "The code is accepted",
        "broker": "The message broker answers",
    },
    states={
        "waiting": "not checked yet",
        "running": "checking",
        "ok": "fine",
        "warning": "look at this",
        "failed": "failed",
        "skipped": "skipped",
    },
    advice={
        "address": "Compare the address with what your administrator gave you, letter by letter.",
        "tls": "If the server uses an authority of your company, choose that authority's PEM file under Certificate authority.",
        "server": "Check that this computer is online and that no proxy or firewall is in between.",
        "clock": "Set the clock of this computer; let it follow a time server.",
        "code": "Ask for a new code: each works once and only for a while.",
        "broker": "Ask your administrator to open the broker's port for this computer, then try again.",
    },
)

GERMAN: Final = AssistantTexts(
    title="Diesen Rechner einrichten",
    intro="Zwei Dinge aus der Verwaltung machen diesen Rechner zum Gerät: die Adresse des Servers und ein Einmalcode.",
    address="Adresse des Servers",
    address_hint="Zum Beispiel https://pulse.example.org",
    address_bad="Eine Adresse beginnt mit https:// (auf diesem Rechner auch http://) und nennt einen Server.",
    authority="Zertifizierungsstelle",
    authority_hint="Nur wenn das Zertifikat von einer eigenen Stelle ist: deren PEM-Datei.",
    authority_choose="Datei wählen…",
    authority_clear="Entfernen",
    authority_none="öffentliche Stellen",
    authority_bad="Diese Datei ist kein PEM-Zertifikat.",
    code="Anmeldecode",
    code_hint="Die Weboberfläche zeigt ihn unter Geräte, Gerät hinzufügen. Er gilt einmal.",
    code_bad="Ein Code hat 8 bis 64 Zeichen.",
    keyring="Den Schlüssel im Schlüsselbund dieses Benutzers aufbewahren",
    keyring_hint="Ohne Schlüsselbund liegt er in einer Datei, die nur Sie lesen können.",
    check="Adresse prüfen",
    checking="Wird geprüft…",
    enrol="Einrichten",
    enrolling="Wird eingerichtet…",
    checked="Der Server passt. Geben Sie den Code ein und richten Sie den Rechner ein.",
    enrolled="Dieser Rechner ist jetzt {name}. Der Agent startet als dieses Gerät.",
    not_enrolled="Dieser Rechner ist nicht eingerichtet. Sehen Sie den Schritt an, der fehlschlug.",
    key_in_keyring="Sein Schlüssel liegt im Schlüsselbund dieses Benutzers.",
    key_in_file="Hier gibt es keinen Schlüsselbund: der Schlüssel liegt in einer Datei, die nur Sie lesen dürfen.",
    what_to_do="Was zu tun ist: {advice}",
    steps={
        "address": "Die Adresse ist lesbar",
        "tls": "Dem Zertifikat wird vertraut",
        "server": "Es ist ein PrecisionPulse-Server",
        "clock": "Die Uhren stimmen überein",
        "code": "Der Code wird angenommen",
        "broker": "Der Nachrichtenverteiler antwortet",
    },
    states={
        "waiting": "noch nicht geprüft",
        "running": "wird geprüft",
        "ok": "in Ordnung",
        "warning": "bitte ansehen",
        "failed": "fehlgeschlagen",
        "skipped": "übersprungen",
    },
    advice={
        "address": "Vergleichen Sie die Adresse Zeichen für Zeichen mit der, die Sie bekommen haben.",
        "tls": "Benutzt der Server eine eigene Zertifizierungsstelle, wählen Sie deren Datei unter Zertifizierungsstelle.",
        "server": "Prüfen Sie, ob dieser Rechner ein Netz hat und kein Proxy oder keine Firewall dazwischen ist.",
        "clock": "Stellen Sie die Uhr dieses Rechners; lassen Sie sie einem Zeitserver folgen.",
        "code": "Lassen Sie sich einen neuen Code geben: jeder gilt einmal und nur eine Weile.",
        "broker": "Lassen Sie den Port des Verteilers für diesen Rechner öffnen und versuchen Sie es erneut.",
    },
)
