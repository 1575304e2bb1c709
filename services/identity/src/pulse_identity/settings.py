"""What identity is told by its environment, on top of what every service is told. Only `app` reads it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from pulse_chassis.mqtt import MqttEndpoint
from pulse_chassis.settings import ServiceSettings
from pulse_contracts.broker_accounts import ALERTS_ACCOUNT, COMMANDS_ACCOUNT, INGEST_ACCOUNT, SYNC_ACCOUNT
from pulse_contracts.enrolment import BrokerAddress
from pulse_identity.messaging.emqx_accounts import EmqxApi
from pulse_identity.messaging.oidc_provider import OidcClient

MIN_SECRET_CHARS = 24
_OF_MOSQUITTO = ("identity_broker_admin_password",)
_OF_EMQX = (
    "identity_emqx_url",
    "identity_emqx_api_key",
    "identity_emqx_secret",
    "identity_emqx_ingest_password",
    "identity_emqx_sync_password",
    "identity_emqx_commands_password",
    "identity_emqx_alerts_password",
)
_NEEDED = {"mosquitto": _OF_MOSQUITTO, "emqx": _OF_EMQX}


class IdentitySettings(ServiceSettings):
    """Identity's variables, `PULSE_IDENTITY_…`."""

    model_config = SettingsConfigDict(validate_default=True)

    identity_admin_username: str = Field(default="admin", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@+-]{1,63}$")
    identity_admin_password: SecretStr | None = Field(default=None, description="unset: made up, printed once")
    identity_secret: SecretStr = Field(description="seals the signing keys; the same for all replicas, for ever")
    identity_broker: Literal["mosquitto", "emqx"] = Field(default="mosquitto", description="whose accounts are kept")
    identity_broker_admin_username: str = Field(default="svc-identity", description="Mosquitto's administrator")
    identity_broker_admin_password: SecretStr | None = Field(default=None, description="needed with Mosquitto")
    identity_emqx_url: str = Field(
        default="", pattern=r"^(https?://[^/?#]+/?)?$", description="of EMQX's management API; needed with EMQX"
    )
    identity_emqx_api_key: SecretStr | None = Field(default=None, description="key:secret of that API")
    identity_emqx_secret: SecretStr | None = Field(
        default=None, description="EMQX sends it when it asks who may connect"
    )
    identity_emqx_ingest_password: SecretStr | None = Field(
        default=None, description="of the account svc-ingest on EMQX"
    )
    identity_emqx_sync_password: SecretStr | None = None
    identity_emqx_commands_password: SecretStr | None = None
    identity_emqx_alerts_password: SecretStr | None = None
    internal_key: SecretStr | None = Field(
        default=None, description="services show it at /internal; unset: none gets in"
    )
    identity_mqtt_public_host: str | None = Field(default=None, description="what enrolled devices connect to")
    identity_mqtt_public_port: int | None = Field(default=None, ge=1, le=65535)
    identity_mqtt_tls_port: int | None = Field(default=None, ge=1, le=65535)
    identity_mqtt_ca_file: Path | None = None
    identity_argon2_memory_kib: int = Field(default=19 * 1024, ge=8 * 1024)
    identity_argon2_passes: int = Field(default=2, ge=1)
    identity_argon2_lanes: int = Field(default=1, ge=1)
    identity_argon2_workers: int = Field(
        default_factory=lambda: max(1, (os.cpu_count() or 1) // 2),
        ge=1,
        le=64,
        description="hashes at a time; unset: half of the cores, so that a crowd that signs in leaves the rest to others",
    )
    identity_argon2_waiting: int = Field(default=64, ge=0)
    identity_sign_in_burst: int = Field(default=60, ge=1, description="wrong sign-ins at once from one address")
    identity_sign_in_refill: float = Field(default=0.5, gt=0, description="… and per second after that")
    identity_session_idle_days: float = Field(default=30, gt=0)
    identity_session_longest_days: float = Field(default=90, gt=0)
    identity_signing_key_days: float = Field(default=30, ge=1, description="how long a signing key signs")
    identity_oidc_issuer: str | None = Field(default=None, description="OpenID Connect provider; unset: none")
    identity_oidc_name: str = Field(default="Single sign-on", description="what the sign-in page calls it")
    identity_oidc_client_id: str = "precisionpulse"
    identity_oidc_client_secret: SecretStr | None = None
    identity_oidc_redirect_url: str = Field(default="", description="https://<our host>/api/auth/oidc/callback")
    identity_oidc_scopes: str = "openid profile email"
    identity_oidc_groups_claim: str = "groups"
    identity_oidc_roles: str = Field(default="", description="group=role, comma-separated; unset: roles are ours")
    identity_registration: bool = Field(default=False, description="people may make accounts, without any role")
    identity_reconcile_seconds: float = Field(default=20, gt=0)
    identity_orphan_seconds: float = Field(default=60, ge=0)

    @field_validator("identity_secret", "identity_emqx_secret", "internal_key")
    @classmethod
    def _is_long_enough(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value()) < MIN_SECRET_CHARS:
            message = f"has fewer than {MIN_SECRET_CHARS} characters; use a random one"
            raise ValueError(message)
        return secret

    @field_validator(*_OF_MOSQUITTO, *_OF_EMQX)
    @classmethod
    def _is_set_for_its_broker(cls, value: SecretStr | str | None, info: ValidationInfo) -> SecretStr | str | None:
        broker = info.data.get("identity_broker")
        if not value and info.field_name in _NEEDED.get(str(broker), ()):
            message = f"is not set; needed with {broker}"
            raise ValueError(message)
        return value

    @field_validator("identity_emqx_api_key")
    @classmethod
    def _is_key_and_secret(cls, api_key: SecretStr | None) -> SecretStr | None:
        if api_key is not None and not all(api_key.get_secret_value().partition(":")):
            message = "looks like key:secret"
            raise ValueError(message)
        return api_key

    @property
    def emqx_api(self) -> EmqxApi | None:
        """EMQX's management API; None when Mosquitto is the broker."""
        if self.identity_broker != "emqx" or self.identity_emqx_api_key is None:
            return None
        return EmqxApi(self.identity_emqx_url, self.identity_emqx_api_key.get_secret_value())

    @property
    def emqx_services(self) -> Mapping[str, str]:
        """Account → password of the services, for EMQX to ask about; none when Mosquitto keeps them."""
        given = {
            INGEST_ACCOUNT: self.identity_emqx_ingest_password,
            SYNC_ACCOUNT: self.identity_emqx_sync_password,
            COMMANDS_ACCOUNT: self.identity_emqx_commands_password,
            ALERTS_ACCOUNT: self.identity_emqx_alerts_password,
        }
        if self.identity_broker != "emqx":
            return {}
        return {account: secret.get_secret_value() for account, secret in given.items() if secret is not None}

    @property
    def broker_admin(self) -> MqttEndpoint:
        """Mosquitto, as its administrator."""
        password = self.identity_broker_admin_password
        return MqttEndpoint(
            host=self.mqtt_host,
            port=self.mqtt_port,
            username=self.identity_broker_admin_username,
            password="" if password is None else password.get_secret_value(),
            ca_file=self.mqtt_ca_file,
        )

    @property
    def emqx_secret(self) -> str | None:
        """What EMQX shows that it is our broker; None when it is not."""
        secret = self.identity_emqx_secret
        return None if secret is None or self.identity_broker != "emqx" else secret.get_secret_value()

    @property
    def internal_service_key(self) -> str | None:
        """What other services show at /internal."""
        return None if self.internal_key is None else self.internal_key.get_secret_value()

    @property
    def public_broker(self) -> BrokerAddress:
        """The broker, as an enrolling device is told; raises OSError when the certificate cannot be read."""
        ca_file = self.identity_mqtt_ca_file
        return BrokerAddress(
            host=self.identity_mqtt_public_host or self.mqtt_host,
            port=self.identity_mqtt_public_port,
            tls_port=self.identity_mqtt_tls_port,
            ca_pem=None if ca_file is None else ca_file.read_text(encoding="ascii"),
        )

    @model_validator(mode="after")
    def _knows_where_to_come_back(self) -> Self:
        if self.identity_oidc_issuer and not self.identity_oidc_redirect_url:
            message = "PULSE_IDENTITY_OIDC_REDIRECT_URL is needed with PULSE_IDENTITY_OIDC_ISSUER"
            raise ValueError(message)
        if any(not (group and role) for group, role in self.oidc_roles.items()):
            message = "PULSE_IDENTITY_OIDC_ROLES looks like group=role,group=role"
            raise ValueError(message)
        return self

    @property
    def oidc_client(self) -> OidcClient | None:
        """Who we are at the other sign-in provider; None without one."""
        if self.identity_oidc_issuer is None:
            return None
        secret = self.identity_oidc_client_secret
        return OidcClient(
            issuer=self.identity_oidc_issuer,
            client_id=self.identity_oidc_client_id,
            client_secret=None if secret is None else secret.get_secret_value(),
            redirect_url=self.identity_oidc_redirect_url,
            scopes=self.identity_oidc_scopes,
            groups_claim=self.identity_oidc_groups_claim,
        )

    @property
    def oidc_roles(self) -> dict[str, str]:
        """Group there → role here."""
        pairs = (part.rpartition("=") for part in self.identity_oidc_roles.split(",") if part.strip())
        return {group.strip(): role.strip() for group, _, role in pairs}

    @property
    def session_idle(self) -> timedelta:
        """How long a session lasts unused."""
        return timedelta(days=self.identity_session_idle_days)

    @property
    def session_longest(self) -> timedelta:
        """How long a session lasts at most."""
        return timedelta(days=self.identity_session_longest_days)
