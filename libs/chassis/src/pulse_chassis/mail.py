"""Sending e-mail: one message, one connection, and a verdict that says whether trying again makes sense.

Guaranteed: whatever keeps a mail from being sent is a `MailNotSentError`, within `SEND_SECONDS`; TLS is never skipped
where it was asked for, and certificates are always checked; no text of a caller becomes a header of its own; neither
the password nor a server's words that may hold it are shown. A server that took a mail and did not get to say so is
asked again by whoever retries: the same `message_id` lets the reader's program drop the second one.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from pathlib import Path
from typing import Final, Literal, Protocol
from uuid import uuid4

import aiosmtplib

from pulse_chassis.clock import Clock, SystemClock
from pulse_chassis.errors import PulseError

SEND_SECONDS: Final = 30.0
"""For all of it: connecting, TLS, signing in, handing over."""
MAX_ATTACHED_BYTES: Final = 10 * 1024 * 1024
"""What nearly every mail server still takes."""
MAX_SUBJECT_CHARS: Final = 200
# What people write and every server takes; the exotic rest of RFC 5321 has no use here, and quotes hide header tricks.
ADDRESS_PATTERN: Final = r"^[A-Za-z0-9._%+=-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,188}[A-Za-z0-9])?$"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")
_TEMPORARY: Final = range(400, 500)
_NAME: Final = "PrecisionPulse"


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail goes, and as whom."""

    host: str
    port: int
    sender: str
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    ca_file: Path | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a mail; `media_type` like `text/csv`."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Mail:
    """What is sent to whom. `message_id` names it for ever: the same mail sent again carries the same one."""

    to: tuple[str, ...]
    subject: str
    text: str
    html: str | None = None
    attachments: tuple[Attachment, ...] = ()
    message_id: str = field(default_factory=lambda: str(uuid4()))
    headers: Mapping[str, str] = field(default_factory=dict)


class MailNotSentError(PulseError):
    """It was not sent. `is_final`: it will not be, however often it is tried; `message` is for people."""

    def __init__(self, code: str, message: str, *, is_final: bool) -> None:
        super().__init__(code, message, 422 if is_final else 503)
        self.is_final = is_final


class MailSender(Protocol):
    """Whoever can send a mail."""

    async def send(self, mail: Mail) -> None:
        """Send it to all of its receivers. Raises MailNotSentError when not one of them gets it."""
        ...


class NoMail:
    """A `MailSender` where no mail server is configured."""

    async def send(self, mail: Mail) -> None:
        """Refuse."""
        del mail
        message = "no mail server is configured (PULSE_MAIL_HOST)"
        raise MailNotSentError("mail_not_configured", message, is_final=False)


class SmtpMail:
    """A `MailSender` over SMTP."""

    def __init__(self, server: MailServer, clock: Clock | None = None) -> None:
        self._server = server
        self._clock = clock or SystemClock()

    async def send(self, mail: Mail) -> None:
        """Send it to all of its receivers. Raises MailNotSentError when not one of them gets it.

        Some that the server refused do not keep the others from getting it: nobody could send to the rest later without
        sending to these again.
        """
        message = self._message(mail)
        server = self._server
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await aiosmtplib.send(
                    message,
                    sender=server.sender,
                    recipients=list(mail.to),
                    hostname=server.host,
                    port=server.port,
                    username=server.username,
                    password=server.password,
                    # The name that the library would look up: a slow resolver would hold every mail.
                    local_hostname="localhost",
                    timeout=SEND_SECONDS,
                    use_tls=server.tls == "implicit",
                    start_tls=server.tls == "starttls",
                    tls_context=_context(server),
                )
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise _verdict(error) from error

    def _message(self, mail: Mail) -> EmailMessage:
        """Return the mail as it goes over the line; raises MailNotSentError for one that can go nowhere."""
        if not mail.to or any(re.fullmatch(ADDRESS_PATTERN, address) is None for address in mail.to):
            message = "there is no receiver, or one whose address is none"
            raise MailNotSentError("mail_address_invalid", message, is_final=True)
        if sum(len(attachment.content) for attachment in mail.attachments) > MAX_ATTACHED_BYTES:
            message = f"what is attached is larger than {MAX_ATTACHED_BYTES} bytes"
            raise MailNotSentError("mail_too_large", message, is_final=True)
        made = EmailMessage(policy=SMTP)
        try:
            made["From"] = formataddr((_NAME, self._server.sender))
            made["To"] = ", ".join(mail.to)
            made["Subject"] = _one_line(mail.subject)[:MAX_SUBJECT_CHARS]
            made["Date"] = format_datetime(self._clock.now())
            made["Message-ID"] = f"<{_one_line(mail.message_id)}@{self._server.sender.rpartition('@')[2]}>"
            # No answering machine shall answer (RFC 3834).
            made["Auto-Submitted"] = "auto-generated"
            for name, value in mail.headers.items():
                made[name] = _one_line(value)
            made.set_content(mail.text)
            if mail.html is not None:
                made.add_alternative(mail.html, subtype="html")
            for attachment in mail.attachments:
                kind, _, subkind = attachment.media_type.partition("/")
                made.add_attachment(
                    attachment.content, maintype=kind, subtype=subkind, filename=_one_line(attachment.name)
                )
        except (ValueError, MessageError) as error:
            message = "it cannot be written as a mail"
            raise MailNotSentError("mail_invalid", message, is_final=True) from error
        return made


def mail_sender(server: MailServer | None) -> MailSender:
    """Return who sends through this server; without one every mail is refused with the reason."""
    return NoMail() if server is None else SmtpMail(server)


def _context(server: MailServer) -> ssl.SSLContext | None:
    if server.tls == "none":
        return None
    return ssl.create_default_context(cafile=None if server.ca_file is None else str(server.ca_file))


def _one_line(text: str) -> str:
    return _CONTROL.sub(" ", text).encode("utf-8", "replace").decode().strip()


def _verdict(error: Exception) -> MailNotSentError:
    """Return what a failure means. A server's own words are left out: they may repeat what it was told."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        codes = [refused.code for refused in error.recipients]
        is_final = all(code not in _TEMPORARY for code in codes)
        return MailNotSentError(
            "mail_receivers_refused", f"the server refused all receivers ({codes[0]})", is_final=is_final
        )
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return MailNotSentError("mail_sign_in_failed", f"the server refused our account ({error.code})", is_final=False)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        is_final = error.code not in _TEMPORARY and not isinstance(error, aiosmtplib.SMTPConnectError)
        return MailNotSentError("mail_refused", f"the server refused the mail ({error.code})", is_final=is_final)
    if isinstance(error, ssl.SSLError):
        return MailNotSentError("mail_tls_failed", "the server's certificate or TLS is not acceptable", is_final=False)
    if isinstance(error, aiosmtplib.SMTPNotSupported):
        return MailNotSentError("mail_tls_failed", "the server does not offer what was asked for", is_final=False)
    return MailNotSentError("mail_unreachable", "the mail server cannot be reached or is too slow", is_final=False)
