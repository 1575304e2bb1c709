"""What is shown of newer releases: sentences, what can be done, and how far a download is. Knows no toolkit."""

from __future__ import annotations

from dataclasses import dataclass

from pulse_contracts.local_updates import Update, UpdateDownload, UpdateMode, UpdateStatus
from pulse_desktop.texts.catalogue import Texts
from pulse_desktop.theme.tokens import Tone


@dataclass(frozen=True, slots=True)
class UpdateView:
    """`line` is for the main window, empty where there is nothing to tell; `why_not` says why nothing is downloaded."""

    headline: str
    tone: Tone
    facts: tuple[str, ...]
    line: str = ""
    notes: str = ""
    can_check: bool = False
    can_download: bool = False
    action: str = ""
    why_not: str = ""
    hint: str = ""
    progress: float | None = None
    progress_text: str = ""
    outcome: str = ""
    outcome_tone: Tone = Tone.OK
    how_to: str = ""


def update_view(status: UpdateStatus | None, running: str, now: float, texts: Texts) -> UpdateView:
    """Return what is shown; `running` is the agent's version, `now` Unix seconds. Without a status nothing is known."""
    words = texts.updates
    if status is None or status.mode is UpdateMode.OFF:
        headline = words.unknown if status is None else words.off
        return UpdateView(headline, Tone.MUTE, (words.running.format(version=running),), can_check=status is None)
    problem = words.problems.get(status.problem or "", status.detail or "")
    facts = (words.running.format(version=running), *_when(status, now, texts), *([problem] if problem else []))
    can_check = not status.is_checking and status.problem != "no_keys"
    if status.available is None:
        is_known = status.checked_ms is not None and not problem
        headline = words.none if is_known else words.unknown
        return UpdateView(headline, Tone.OK if is_known else Tone.MUTE, facts, can_check=can_check)
    return _available(status, status.available, facts, can_check=can_check, texts=texts)


def _available(
    status: UpdateStatus, found: Update, facts: tuple[str, ...], *, can_check: bool, texts: Texts
) -> UpdateView:
    words, download = texts.updates, found.download
    why_not = ""
    if status.mode is UpdateMode.TELL:
        why_not = words.managed
    elif found.name is None or found.size is None:
        why_not = words.no_file
    is_running = download is not None and download.is_running
    is_there = download is not None and download.path is not None
    outcome, tone = ("", Tone.OK) if download is None or is_running else _outcome(download, texts)
    released = words.released.format(date=texts.format.date_time(found.released_ms / 1000).split(",")[0])
    install = words.install.get(found.platform, "").format(path=download.path if download is not None else "")
    return UpdateView(
        headline=words.available.format(version=found.version),
        tone=Tone.INFO,
        facts=(facts[0], released, *facts[1:]),
        line=words.line.format(version=found.version),
        notes=found.notes.get(texts.language.value) or found.notes.get("en") or words.no_notes,
        can_check=can_check and not is_running,
        can_download=not why_not and not is_running and not is_there,
        action=words.go_on if download is not None and download.problem and not is_running else words.download,
        why_not=why_not,
        hint="" if why_not or found.size is None else words.size.format(size=texts.format.bytes(found.size)),
        progress=download.received / download.size if download is not None and is_running else None,
        progress_text=_progress(download, texts) if download is not None and is_running else "",
        outcome=outcome,
        outcome_tone=tone,
        how_to=f"{install}\n{words.kept}" if is_there else "",
    )


def _when(status: UpdateStatus, now: float, texts: Texts) -> list[str]:
    if status.is_checking:
        return [texts.updates.checking]
    if status.checked_ms is None:
        return []
    return [texts.updates.checked.format(ago=texts.format.ago(status.checked_ms / 1000, now))]


def _progress(download: UpdateDownload, texts: Texts) -> str:
    sentence = texts.updates.waiting if download.problem else texts.updates.receiving
    size = texts.format.bytes
    return sentence.format(received=size(download.received), size=size(download.size))


def _outcome(download: UpdateDownload, texts: Texts) -> tuple[str, Tone]:
    words = texts.updates
    if download.path is not None:
        return words.done.format(path=download.path), Tone.OK
    return words.problems.get(download.problem or "", download.detail), Tone.BAD
