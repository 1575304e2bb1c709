"""The gateway's settings, from the environment; only `app.py` and `__main__.py` read them."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from pulse_chassis.mail_settings import MailSettings


class GatewaySettings(MailSettings):
    """`PULSE_GATEWAY_*` beside the variables that all services share. A service without a URL is answered with 503."""

    gateway_ingest_url: str | None = None
    gateway_identity_url: str | None = Field(default=None, description="unset: PULSE_IDENTITY_URL")
    gateway_sync_url: str | None = None
    gateway_commands_url: str | None = None
    gateway_alerts_url: str | None = None
    gateway_dashboard_dir: Path | None = Field(default=None, description="the built dashboard; unset: a plain page")
    gateway_releases_dir: Path | None = Field(
        default=None, description="a desktop release with its signed manifest; unset: none is offered"
    )
    gateway_max_connections: int = Field(default=500, ge=1)
    gateway_max_connections_per_user: int = Field(default=10, ge=1)
    gateway_max_unauthenticated: int = Field(default=100, ge=1)

    @property
    def services(self) -> dict[str, str]:
        """The base URL of each service that is part of this installation."""
        urls = {
            "identity": self.gateway_identity_url or self.identity_url,
            "ingest": self.gateway_ingest_url,
            "sync": self.gateway_sync_url,
            "commands": self.gateway_commands_url,
            "alerts": self.gateway_alerts_url,
        }
        return {name: url for name, url in urls.items() if url}
