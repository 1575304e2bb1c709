"""Which services a stack runs, and the environment each is started with: data, not code of the supervisor.

A service is `python -m <module> serve`, after `python -m <module> migrate`. Nothing here imports one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pulse_contracts.broker_accounts import (
    ALERTS_ACCOUNT,
    COMMANDS_ACCOUNT,
    IDENTITY_ACCOUNT,
    INGEST_ACCOUNT,
    SYNC_ACCOUNT,
)
from pulse_local.data_directory import DataDirectory
from pulse_local.ports import LOOPBACK
from pulse_local.processes import ProcessSpec
from pulse_local.servers.mosquitto import MosquittoServer
from pulse_local.servers.postgres import PostgresServer
from pulse_local.servers.valkey import ValkeyServer
from pulse_local.stack_secrets import ADMIN_USERNAME, StackSecrets

_DASHBOARD = Path("clients/dashboard/dist")
_DEVELOPMENT_ORIGIN = "http://localhost:5173"  # Where the dashboard's development server runs.


class Profile(StrEnum):
    """`secure` is the default; `dev` logs for people and lets the dashboard's development server in."""

    SECURE = "secure"
    DEV = "dev"


@dataclass(frozen=True, slots=True)
class StackPlan:
    """Everything decided about one stack before its services start."""

    directory: DataDirectory
    profile: Profile
    secrets: StackSecrets
    ports: Mapping[str, int]
    postgres: PostgresServer
    valkey: ValkeyServer
    mosquitto: MosquittoServer

    def url(self, service: str) -> str:
        """Return the base URL of a service."""
        return f"http://{LOOPBACK}:{self.ports[service]}"


@dataclass(frozen=True, slots=True)
class Service:
    """One service. `environment` gives what is its own; the common variables are added by `service_environment`."""

    name: str
    module: str
    role: str
    environment: Callable[[StackPlan], Mapping[str, str]]
    migrates: bool = True


def _ingest(plan: StackPlan) -> dict[str, str]:
    return {
        "PULSE_MQTT_USERNAME": INGEST_ACCOUNT,
        "PULSE_MQTT_PASSWORD": plan.secrets.broker_ingest_password,
        "PULSE_INGEST_SESSION": "durable",
        "PULSE_INGEST_WORKER_ID": "ingest-1",
        # Where the database is: how full its volume is can only be seen from this machine.
        "PULSE_INGEST_STORAGE_PATH": str(plan.directory.postgres),
    }


def _identity(plan: StackPlan) -> dict[str, str]:
    return {
        "PULSE_MQTT_USERNAME": IDENTITY_ACCOUNT,
        "PULSE_MQTT_PASSWORD": plan.secrets.broker_identity_password,
        "PULSE_IDENTITY_ADMIN_USERNAME": ADMIN_USERNAME,
        "PULSE_IDENTITY_ADMIN_PASSWORD": plan.secrets.admin_password,
        "PULSE_IDENTITY_SECRET": plan.secrets.identity_secret,
        "PULSE_INTERNAL_KEY": plan.secrets.internal_key,
        "PULSE_IDENTITY_BROKER_ADMIN_USERNAME": IDENTITY_ACCOUNT,
        "PULSE_IDENTITY_BROKER_ADMIN_PASSWORD": plan.secrets.broker_identity_password,
        "PULSE_IDENTITY_MQTT_PUBLIC_HOST": LOOPBACK,
        "PULSE_IDENTITY_MQTT_PUBLIC_PORT": str(plan.mosquitto.port),
        "PULSE_IDENTITY_MQTT_TLS_PORT": str(plan.mosquitto.tls_port),
        "PULSE_IDENTITY_MQTT_CA_FILE": str(plan.mosquitto.ca_file),
    }


def _sync(plan: StackPlan) -> dict[str, str]:
    return {
        "PULSE_MQTT_USERNAME": SYNC_ACCOUNT,
        "PULSE_MQTT_PASSWORD": plan.secrets.broker_sync_password,
        "PULSE_SYNC_SIGNING_KEY": plan.secrets.sync_signing_key,
        "PULSE_SYNC_SEAL_KEY": plan.secrets.sync_seal_key,
        "PULSE_INTERNAL_KEY": plan.secrets.internal_key,
    }


def _commands(plan: StackPlan) -> dict[str, str]:
    return {
        "PULSE_MQTT_USERNAME": COMMANDS_ACCOUNT,
        "PULSE_MQTT_PASSWORD": plan.secrets.broker_commands_password,
        "PULSE_COMMANDS_SIGNING_KEY": plan.secrets.commands_signing_key,
    }


def _alerts(plan: StackPlan) -> dict[str, str]:
    return {
        "PULSE_MQTT_USERNAME": ALERTS_ACCOUNT,
        "PULSE_MQTT_PASSWORD": plan.secrets.broker_alerts_password,
        "PULSE_ALERTS_SEAL_KEY": plan.secrets.alerts_seal_key,
    }


def _gateway(plan: StackPlan) -> dict[str, str]:
    own = {
        "PULSE_GATEWAY_INGEST_URL": plan.url("ingest"),
        "PULSE_GATEWAY_IDENTITY_URL": plan.url("identity"),
        "PULSE_GATEWAY_SYNC_URL": plan.url("sync"),
        "PULSE_GATEWAY_COMMANDS_URL": plan.url("commands"),
        "PULSE_GATEWAY_ALERTS_URL": plan.url("alerts"),
        "PULSE_GATEWAY_RELEASES_DIR": str(plan.directory.releases),
    }
    if _DASHBOARD.is_dir():
        own["PULSE_GATEWAY_DASHBOARD_DIR"] = str(_DASHBOARD.resolve())
    return own


SERVICES = (
    Service("identity", "pulse_identity", "pulse_identity", _identity),
    Service("ingest", "pulse_ingest", "pulse_ingest", _ingest),
    Service("sync", "pulse_sync", "pulse_sync", _sync),
    Service("commands", "pulse_commands", "pulse_commands", _commands),
    Service("alerts", "pulse_alerts", "pulse_alerts", _alerts),
    Service("gateway", "pulse_gateway", "pulse_gateway", _gateway),
)


def service_environment(service: Service, plan: StackPlan) -> dict[str, str]:
    """Return every variable that the service is started with."""
    development = plan.profile is Profile.DEV
    common = {
        "PULSE_DATABASE_URL": plan.postgres.url(service.role),
        "PULSE_REDIS_URL": plan.valkey.url(),
        "PULSE_MQTT_HOST": LOOPBACK,
        "PULSE_MQTT_PORT": str(plan.mosquitto.port),
        "PULSE_HTTP_HOST": LOOPBACK,
        "PULSE_HTTP_PORT": str(plan.ports[service.name]),
        "PULSE_IDENTITY_URL": plan.url("identity") if "identity" in plan.ports else "",
        **({"PULSE_ALLOWED_ORIGINS": _DEVELOPMENT_ORIGIN} if development else {}),
        "PULSE_LOG_FORMAT": "console" if development else "json",
        "PULSE_LOG_LEVEL": os.environ.get("PULSE_LOG_LEVEL") or ("DEBUG" if development else "INFO"),
        # A log that is a file is block-buffered otherwise, and a crash would lose its last words.
        "PYTHONUNBUFFERED": "1",
    }
    return {**common, **service.environment(plan)}


def service_process(service: Service, plan: StackPlan, command: str) -> ProcessSpec:
    """Return the process that runs one command of a service."""
    return ProcessSpec(
        name=service.name,
        argv=(sys.executable, "-m", service.module, command),
        directory=plan.directory.root,
        environment=service_environment(service, plan),
        stop_seconds=15.0,  # Its own drain deadline is 10 s.
    )
