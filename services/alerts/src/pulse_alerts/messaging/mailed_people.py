"""People who are told by e-mail: one mail for a message, the same `Message-ID` however often it is tried."""

from __future__ import annotations

from typing import Final

import aiosmtplib

from pulse_alerts.domain.notice import Digest
from pulse_alerts.domain.retrying import NotTaken, Outcome, Refused, Sent
from pulse_alerts.domain.wording import trial_words, worded
from pulse_alerts.use_cases.notification_ports import Claimed
from pulse_chassis.mail import Mail, MailNotSentError, MailSender

_NEVER_CONNECTED: Final = (aiosmtplib.SMTPConnectError, aiosmtplib.SMTPConnectTimeoutError, ConnectionRefusedError)


class MailedPeople:
    """Plays `People`. `link` leads to the list of alarms, when it is known where the dashboard is."""

    def __init__(self, mail: MailSender, link: str | None) -> None:
        self._mail = mail
        self._link = link

    async def tell(self, claimed: Claimed, digest: Digest) -> Outcome:
        """Send one mail to all receivers of the channel."""
        channel = claimed.channel
        if claimed.kind == "test":
            words = trial_words(channel.name, claimed.asked_by_name or "somebody")
        else:
            words = worded(digest, channel.time_zone, self._link)
        mail = Mail(channel.recipients, words.subject, words.text, words.html, message_id=str(claimed.id))
        try:
            await self._mail.send(mail)
        except MailNotSentError as error:
            if error.is_final:
                return Refused(error.code, error.message)
            return NotTaken(error.code, error.message, is_doubtful=_is_doubtful(error))
        return Sent()


def _is_doubtful(error: MailNotSentError) -> bool:
    """Say whether the server may have taken the mail: it was reached, and fell silent."""
    return error.code == "mail_unreachable" and not isinstance(error.__cause__, _NEVER_CONNECTED)
