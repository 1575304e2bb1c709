from pathlib import Path

import pytest
from pydantic import Field, SecretStr

from pulse_chassis.settings import ServiceSettings, SettingsError


class Settings(ServiceSettings):
    """A service's own settings."""

    ingest_session: str = "durable"
    identity_secret: SecretStr = Field()
    optional_secret: SecretStr | None = None
    renamed: SecretStr | None = Field(default=None, validation_alias="PULSE_OTHER_NAME")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("PULSE_DATABASE_URL", "postgresql://role:pw-canary@localhost/precisionpulse")
    monkeypatch.setenv("PULSE_REDIS_URL", "redis://localhost")
    monkeypatch.setenv("PULSE_IDENTITY_SECRET", "secret-canary")
    return monkeypatch


def test_fields_come_from_prefixed_variables(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PULSE_INGEST_SESSION", "ephemeral")
    environment.setenv("PULSE_MQTT_USERNAME", "svc-ingest")
    environment.setenv("PULSE_MQTT_PASSWORD", "mqtt-canary")
    environment.setenv("PULSE_MQTT_CA_FILE", "/ca.crt")
    settings = Settings()
    assert settings.ingest_session == "ephemeral"
    endpoint = settings.mqtt_endpoint
    assert (endpoint.username, endpoint.password, endpoint.ca_file) == ("svc-ingest", "mqtt-canary", Path("/ca.crt"))
    assert "canary" not in repr(settings)
    assert "canary" not in repr(endpoint)


@pytest.mark.parametrize(
    ("variable", "field"),
    [
        ("PULSE_DATABASE_URL", "database_url"),
        ("PULSE_IDENTITY_SECRET", "identity_secret"),
        ("PULSE_OPTIONAL_SECRET", "optional_secret"),
        ("PULSE_OTHER_NAME", "renamed"),
    ],
)
def test_a_secret_can_come_from_a_file(
    environment: pytest.MonkeyPatch, tmp_path: Path, variable: str, field: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from the file \n")
    environment.delenv(variable, raising=False)
    environment.setenv(f"{variable}_FILE", str(secret))
    assert getattr(Settings(), field).get_secret_value() == "from the file "


def test_a_missing_secret_is_named_with_both_of_its_variables(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("PULSE_IDENTITY_SECRET")
    with pytest.raises(SettingsError, match=r"PULSE_IDENTITY_SECRET: is not set \(nor is PULSE_IDENTITY_SECRET_FILE\)"):
        Settings()


def test_every_wrong_variable_is_named_and_no_value_repeated(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PULSE_HTTP_PORT", "canary")
    environment.setenv("PULSE_LOG_FORMAT", "canary")
    with pytest.raises(SettingsError) as caught:
        Settings()
    assert "PULSE_HTTP_PORT: " in str(caught.value)
    assert "PULSE_LOG_FORMAT: " in str(caught.value)
    assert "canary" not in str(caught.value)


def test_a_secret_given_twice_is_refused(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("PULSE_IDENTITY_SECRET_FILE", str(tmp_path / "secret"))
    with pytest.raises(SettingsError, match="both set"):
        Settings()


def test_an_unreadable_secret_file_is_said_so(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.delenv("PULSE_IDENTITY_SECRET")
    environment.setenv("PULSE_IDENTITY_SECRET_FILE", str(tmp_path / "nothing"))
    with pytest.raises(SettingsError, match=r"PULSE_IDENTITY_SECRET_FILE: cannot read .*No such file"):
        Settings()


def test_an_empty_variable_counts_as_unset(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PULSE_MQTT_USERNAME", "")
    environment.setenv("PULSE_HTTP_PORT", "")
    assert Settings().mqtt_username is None
    assert Settings().http_port == 8000
