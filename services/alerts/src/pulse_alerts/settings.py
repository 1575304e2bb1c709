"""Settings of alerts: the shared `PULSE_*` variables and its own `PULSE_ALERTS_*`. Only `app.py` reads them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import Field, SecretStr, field_validator

from pulse_alerts.domain.patience import Patience
from pulse_alerts.domain.reachable import parse_networks
from pulse_chassis.mail_settings import MailSettings


class AlertsSettings(MailSettings):
    """Everything that can be set."""

    alerts_seal_key: SecretStr = Field(description="URLs and keys of webhooks are stored sealed to it: X25519, base 64")
    alerts_worker_id: str = Field(
        default="1", pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="unique among the workers, the same after a restart"
    )
    alerts_lease_seconds: float = Field(
        default=30.0, gt=0, description="after which the devices of a worker that died are another's"
    )
    alerts_flush_seconds: float = Field(
        default=10.0, gt=0, description="between two writes of evaluation state; what is newer is evaluated again"
    )
    alerts_settle_seconds: float = Field(
        default=10.0, ge=0, description="after an outage, before silence counts as no data"
    )
    alerts_late_hours: float = Field(
        default=48.0, gt=0, description="for which late readings are looked through for alarms of the past"
    )
    alerts_kept_days: int = Field(default=365, ge=1, description="for which cleared alarms are kept")
    alerts_webhook_networks: str = Field(
        default="",
        description="private networks that webhooks may lead into, without TLS as well; comma-separated CIDR",
    )
    alerts_webhook_ca_file: Path | None = Field(
        default=None, description="authorities that webhooks may have their certificates from, beside the public ones"
    )
    alerts_give_up_hours: float = Field(default=24.0, gt=0, description="for which a notification is tried again")
    alerts_notifications_kept_days: int = Field(default=90, ge=1, description="for which what was sent is kept")
    alerts_dashboard_url: str | None = Field(default=None, description="where e-mails lead for the list of alarms")

    @field_validator("alerts_webhook_networks")
    @classmethod
    def _are_networks(cls, text: str) -> str:
        parse_networks(text)
        return text

    @property
    def patience(self) -> Patience:
        """How long evaluation lets things take."""
        return Patience(
            lease_seconds=self.alerts_lease_seconds,
            flush_seconds=self.alerts_flush_seconds,
            settle_seconds=self.alerts_settle_seconds,
            late_lookback=timedelta(hours=self.alerts_late_hours),
        )
