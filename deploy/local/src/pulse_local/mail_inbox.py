"""A real SMTP server for tests: it keeps what it is given, or refuses it with the answer that it was told to give."""

from __future__ import annotations

import asyncio
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from types import TracebackType
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session


class MailInbox:
    """Listens on loopback while its block is open. `mails` is what came, `receivers` for whom, in order."""

    def __init__(self) -> None:
        self.port = 0
        self.mails: list[EmailMessage] = []
        self.receivers: list[list[str]] = []
        self.refusal: str | None = None
        """What every mail is answered with, like `451 try again later`; None: it is taken."""
        self.refused_receivers: dict[str, str] = {}
        self.asked = 0
        """How many mails were offered, refused ones included."""
        self._arrived = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> MailInbox:
        def protocol() -> SMTP:
            return SMTP(self, hostname="inbox.test", enable_SMTPUTF8=False, loop=asyncio.get_running_loop())

        self._server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None, "it is left once"  # noqa: S101 -- narrows a type
        self._server.close()

    async def handle_RCPT(  # noqa: N802 -- the library's name for it
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take or refuse a receiver."""
        refused = self.refused_receivers.get(address)
        if refused is None:
            envelope.rcpt_tos.append(address)
        return refused or "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 -- as above
        """Take or refuse a mail."""
        self.asked += 1
        self._arrived.set()
        if self.refusal is not None:
            return self.refusal
        content: Any = envelope.content
        mail = message_from_bytes(content, policy=SMTP_POLICY)
        assert isinstance(mail, EmailMessage), "the policy makes them"  # noqa: S101 -- narrows a type
        self.mails.append(mail)
        self.receivers.append([str(address) for address in envelope.rcpt_tos])
        return "250 taken"

    async def wait_for(self, count: int, *, seconds: float = 10.0) -> list[EmailMessage]:
        """Return the mails when there are so many. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while len(self.mails) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.mails
