"""`PULSE_MAIL_*`: the mail server that a service sends through, for the settings of services that send."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, SecretStr, field_validator

from pulse_chassis.mail import ADDRESS_PATTERN, MailServer
from pulse_chassis.settings import ServiceSettings

_ADDRESS: Final = re.compile(ADDRESS_PATTERN)


class MailSettings(ServiceSettings):
    """What all services share, and the mail server. Without a host no mail is sent, and whoever asks is told so."""

    mail_host: str | None = Field(default=None, description="unset: no mail is sent")
    mail_port: int = Field(default=587, ge=1, le=65535)
    mail_tls: Literal["starttls", "implicit", "none"] = Field(
        default="starttls",
        description="implicit: TLS from the first byte (465); none: only to a server of this machine",
    )
    mail_ca_file: Path | None = Field(default=None, description="unset: the system's authorities")
    mail_username: str | None = None
    mail_password: SecretStr | None = None
    mail_from: str = Field(default="precisionpulse@localhost", description="the sender's address")

    @field_validator("mail_from")
    @classmethod
    def _is_an_address(cls, text: str) -> str:
        if _ADDRESS.fullmatch(text) is None:
            message = "is no e-mail address"
            raise ValueError(message)
        return text

    @property
    def mail_server(self) -> MailServer | None:
        """The server to send through; None: no mail is sent."""
        if self.mail_host is None:
            return None
        return MailServer(
            host=self.mail_host,
            port=self.mail_port,
            sender=self.mail_from,
            tls=self.mail_tls,
            ca_file=self.mail_ca_file,
            username=self.mail_username,
            password=None if self.mail_password is None else self.mail_password.get_secret_value(),
        )
