"""What a person is told by the tray and above the pages, in their language, from the facts of the agent's notice."""

from __future__ import annotations

from pulse_contracts.local_protocol import Notice, NoticeKind
from pulse_desktop.texts.catalogue import Texts


def notice_sentence(notice: Notice, texts: Texts) -> str:
    """Return the sentence; one of a kind that is not known here, in the agent's own words."""
    home, facts = texts.home, notice.facts
    match notice.kind, facts:
        case NoticeKind.QUARANTINED, {"count": int(count)}:
            return home.notice_quarantined.of(count, texts.format.number(count))
        case NoticeKind.OUTBOX_FULLNESS, {"fullness": str(fullness)} if fullness in home.notice_fullness:
            return home.notice_fullness[fullness]
        case NoticeKind.OUTBOX_DAMAGED, _:
            return home.notice_damaged
        case NoticeKind.EDIT_UNDONE, {"entity": str(entity), "name": str(name), "outcome": str(outcome)}:
            words = texts.administration
            what = f"{words.entities.get(entity, entity)} {name}"
            return home.notice_undone.format(what=what, outcome=outcome_of(outcome, texts))
        case _:
            return notice.sentence


def outcome_of(outcome: str, texts: Texts) -> str:
    """Return which side of an edit stands."""
    words = texts.administration
    return {"conflict_lost": words.lost, "rejected": words.rejected, "won": words.won}.get(outcome, outcome)
