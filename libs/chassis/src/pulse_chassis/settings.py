"""Settings from the environment: the `PULSE_*` names that every service shares, and how secrets come in.

Guaranteed: every field of type `SecretStr` can also be given as `NAME_FILE`, the path of a file with its value; giving
both is an error; what is wrong is said by variable name and without any value. Only a service's `app.py` reads them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from pulse_chassis.edge_policy import Rate, RateClass, parse_origins, parse_rates
from pulse_chassis.mqtt import MqttEndpoint


class SettingsError(Exception):
    """The environment is not usable; the message says which variables and why, one line each."""

    is_readable = True
    """`run_process` shows the message alone: a traceback would bury it."""


class PulseSettings(BaseSettings):
    """What all settings of this project do alike; a program that shares no other variable starts from here."""

    model_config = SettingsConfigDict(
        env_prefix="PULSE_", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True, frozen=True
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SettingsError(_readable(type(self), error)) from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the constructor's arguments, then the environment, then `NAME_FILE`."""
        del dotenv_settings, file_secret_settings
        return (init_settings, env_settings, _SecretFiles(settings_cls))


class ServiceSettings(PulseSettings):
    """The variables that every service shares; a service subclasses it with its own fields (`PULSE_<FIELD>`)."""

    database_url: SecretStr = Field(description="postgresql://role:password@host:port/database, or ?host=/socket/dir")
    redis_url: SecretStr = Field(description="redis://…, rediss://… or unix://…")
    mqtt_host: str = "127.0.0.1"
    mqtt_port: int = Field(default=1883, ge=1, le=65535)
    mqtt_username: str | None = None
    mqtt_password: SecretStr | None = None
    mqtt_ca_file: Path | None = Field(default=None, description="unset: plain TCP")
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8000, ge=0, le=65535)
    trusted_proxies: str = Field(
        default="127.0.0.1",
        description="addresses whose X-Forwarded-For and -Proto are believed; comma-separated, or *",
    )
    allowed_origins: str = Field(
        default="", description="other origins whose pages may use API, cookie and socket; comma-separated, exact"
    )
    rate_limits: str = Field(
        default="", description="class=requests/seconds, comma-separated, over the defaults; off: nobody is counted"
    )
    identity_url: str = Field(default="http://127.0.0.1:8001", description="its keys are at /.well-known/jwks.json")
    traces_endpoint: str = Field(
        default="", description="base URL of an OpenTelemetry collector that takes OTLP over HTTP; empty: no traces"
    )
    traces_ratio: float = Field(default=0.01, ge=0, le=1, description="share of the traces that are recorded")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "json"

    @field_validator("allowed_origins")
    @classmethod
    def _are_origins(cls, text: str) -> str:
        parse_origins(text)
        return text

    @field_validator("rate_limits")
    @classmethod
    def _are_rates(cls, text: str) -> str:
        parse_rates(text)
        return text

    @property
    def origins(self) -> frozenset[str]:
        """The other origins whose pages may use the API, the session cookie and the live socket."""
        return parse_origins(self.allowed_origins)

    @property
    def rates(self) -> Mapping[RateClass, Rate] | None:
        """How often one caller may call each group of routes; None when nobody is counted."""
        return parse_rates(self.rate_limits)

    @property
    def mqtt_endpoint(self) -> MqttEndpoint:
        """Where the broker is and who we are there."""
        return MqttEndpoint(
            host=self.mqtt_host,
            port=self.mqtt_port,
            username=self.mqtt_username,
            password=None if self.mqtt_password is None else self.mqtt_password.get_secret_value(),
            ca_file=self.mqtt_ca_file,
        )


class _SecretFiles(PydanticBaseSettingsSource):
    """Reads `NAME_FILE` for each secret field."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        name = _variable_name(self.settings_cls, field_name, field)
        path = os.environ.get(f"{name}_FILE")
        if not path or not _is_secret(field):
            return None, field_name, False
        if os.environ.get(name):
            message = f"{name} and {name}_FILE are both set; give one of them"
            raise SettingsError(message)
        try:
            key = field.validation_alias if isinstance(field.validation_alias, str) else field_name
            return Path(path).read_text(encoding="utf-8").rstrip("\r\n"), key, False
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            message = f"{name}_FILE: cannot read {path}: {reason}"
            raise SettingsError(message) from None

    def __call__(self) -> dict[str, Any]:
        found = {}
        for field_name, field in self.settings_cls.model_fields.items():
            value, key, _ = self.get_field_value(field, field_name)
            if value is not None:
                found[key] = value
        return found


def _is_secret(field: FieldInfo) -> bool:
    return field.annotation is SecretStr or SecretStr in get_args(field.annotation)


def _variable_name(settings: type[BaseSettings], field_name: str, field: FieldInfo | None) -> str:
    if field is not None and isinstance(field.validation_alias, str):
        return field.validation_alias.upper()
    return f"{settings.model_config.get('env_prefix', '')}{field_name}".upper()


def _readable(settings: type[BaseSettings], error: ValidationError) -> str:
    lines = []
    for item in error.errors(include_input=False, include_url=False, include_context=False):
        field_name = str(item["loc"][0]) if item["loc"] else ""
        field = settings.model_fields.get(field_name)
        name = _variable_name(settings, field_name, field) if field_name else "settings"
        reason = item["msg"]
        if item["type"] == "missing":
            may_be_file = field is not None and _is_secret(field)
            reason = f"is not set (nor is {name}_FILE)" if may_be_file else "is not set"
        lines.append(f"{name}: {reason}")
    return "the environment is not usable:\n  " + "\n  ".join(lines)
