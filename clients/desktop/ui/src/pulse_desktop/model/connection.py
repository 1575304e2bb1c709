"""The connection in words: which state, since when, why, and what comes next; the agent's own death included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pulse_contracts.local_status import Connection, ConnectionStatus, Mode, Status
from pulse_desktop.link.state import LinkCause, LinkPhase, LinkState
from pulse_desktop.texts.catalogue import Texts
from pulse_desktop.theme.tokens import Tone

_TONES: Final = {
    Connection.ONLINE: Tone.OK,
    Connection.DRAINING: Tone.INFO,
    Connection.CONNECTING: Tone.INFO,
    Connection.OFFLINE_BUFFERING: Tone.WARN,
    Connection.DISCONNECTED: Tone.MUTE,
}


@dataclass(frozen=True, slots=True)
class ConnectionView:
    """What is shown of the connection. `detail` is what the network or the server said, for the curious."""

    tone: Tone
    word: str
    since: str
    why: str
    next_step: str
    detail: str

    @property
    def sentence(self) -> str:
        """All of it, for a screen reader."""
        return ". ".join(part.rstrip(".") for part in (self.word, self.since, self.why, self.next_step) if part) + "."


def word_of(connection: Connection, texts: Texts) -> str:
    """Return the word for a state of delivery."""
    return str(getattr(texts.home, connection.value))


def connection_view(link: LinkState, status: Status | None, now: float, texts: Texts) -> ConnectionView:
    """Work out what is shown at `now` (Unix seconds)."""
    if link.phase is LinkPhase.CONNECTED and status is not None:
        if status.mode is Mode.UNENROLLED:
            return ConnectionView(Tone.MUTE, texts.home.not_set_up, "", texts.home.not_set_up_why, "", "")
        return _delivery(status.connection, now, texts)
    return _agent(link, now, texts)


def agent_death(link: LinkState, now: float, texts: Texts) -> str:
    """Say what happened to the agent that is gone and when it is started again; empty while one answers."""
    if link.phase is not LinkPhase.LOST:
        return ""
    home = texts.home
    parts = [home.agent_lost_why.format(time=texts.format.moment(link.since, now))]
    cause = home.link_causes.get(link.cause, "")
    if link.exit_code is not None and link.cause != LinkCause.IN_USE:
        parts.append(home.agent_dead.format(code=link.exit_code, detail=link.detail or "—"))
    elif cause:
        parts.append(cause.format(detail=link.detail))
    if link.retry_at is not None and link.retry_at > now:
        parts.append(home.agent_restart_in.format(span=texts.format.duration(link.retry_at - now + 0.999)))
    else:
        parts.append(home.agent_restarting)
    return " ".join(parts)


def _agent(link: LinkState, now: float, texts: Texts) -> ConnectionView:
    home = texts.home
    since = _since(link.since, now, texts)
    match link.phase:
        case LinkPhase.LOST:
            return ConnectionView(Tone.BAD, home.agent_lost, since, agent_death(link, now, texts), "", link.detail)
        case LinkPhase.INCOMPATIBLE:
            said = home.refusals.get(link.cause) or _sentence(link.detail)
            why = f"{said} {home.agent_incompatible_hint}".strip()
            return ConnectionView(Tone.BAD, home.agent_incompatible, since, why, "", link.detail)
        case _:
            return ConnectionView(Tone.INFO, home.agent_starting, since, home.waiting_for_agent, "", link.detail)


def _delivery(status: ConnectionStatus, now: float, texts: Texts) -> ConnectionView:
    home = texts.home
    why = home.reasons.get(status.reason, _sentence(status.detail) or status.reason.replace("_", " "))
    next_step = ""
    if status.next_try_ms is not None:
        left = status.next_try_ms / 1000 - now
        next_step = home.next_try.format(span=texts.format.duration(left + 0.999)) if left > 0 else home.next_try_now
    if status.state is Connection.OFFLINE_BUFFERING:
        why = f"{why} {home.kept_safe}"
    since = _since(status.since_ms / 1000, now, texts)
    return ConnectionView(_TONES[status.state], word_of(status.state, texts), since, why, next_step, status.detail)


def _since(at: float, now: float, texts: Texts) -> str:
    span = texts.format.duration(max(0.0, now - at))
    return texts.home.since.format(time=texts.format.moment(at, now), span=span)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if not text or text.endswith((".", "!", "?")) else ".")
