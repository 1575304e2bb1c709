"""The composition root: reads the settings, constructs every adapter, hands them to use cases and routes."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from pulse_chassis import streams
from pulse_chassis.audit import AuditTrail
from pulse_chassis.bearer import Authority
from pulse_chassis.clock import Clock, SystemClock
from pulse_chassis.database import Database, upgrade
from pulse_chassis.garbage_collection import collect_rarely
from pulse_chassis.health import HealthRegistry
from pulse_chassis.http import Edge
from pulse_chassis.idempotency import Idempotency
from pulse_chassis.metrics import Counters, create_registry, loop_lag_worker
from pulse_chassis.outbox import OutboxRelay
from pulse_chassis.periodic import periodic_worker
from pulse_chassis.revocations import RevokedSessions
from pulse_chassis.run import Worker
from pulse_chassis.serve import http_worker
from pulse_chassis.stream_position import StreamPosition
from pulse_chassis.turnstile import Turnstile
from pulse_contracts.frames import Topic
from pulse_contracts.streams import DEVICES_STREAM
from pulse_identity.domain.audit_chain import Link, Verdict
from pulse_identity.http.metrics import CounterName, counters, gauges
from pulse_identity.http.routed_app import routed_app
from pulse_identity.http.use_case_set import SignInMethods, UseCases
from pulse_identity.messaging.audit_feed import AuditFeed
from pulse_identity.messaging.emqx_accounts import EmqxAccounts
from pulse_identity.messaging.mosquitto_accounts import MosquittoAccounts
from pulse_identity.messaging.oidc_provider import OidcProvider
from pulse_identity.settings import IdentitySettings
from pulse_identity.storage.argon2_passwords import Argon2Cost, Argon2Passwords
from pulse_identity.storage.audit_log import PostgresAuditLog
from pulse_identity.storage.audit_signer import AuditSigner
from pulse_identity.storage.device_credentials import PostgresDeviceCredentials
from pulse_identity.storage.password_box import SealedPasswordBox, ensure_password_box
from pulse_identity.storage.redis_limits import Bucket, RedisLimits
from pulse_identity.storage.registered_accounts import PostgresRegisteredAccounts
from pulse_identity.storage.secret_box import KeyedSecretBox
from pulse_identity.storage.signing import SigningKeys, ensure_signing_key, make_signing_key
from pulse_identity.storage.tables import SCHEMA, outbox
from pulse_identity.storage.unit_of_work import PostgresWork
from pulse_identity.use_cases.admit_to_broker import AdmitToBroker
from pulse_identity.use_cases.apply_operations import ApplyOperations
from pulse_identity.use_cases.change_device import ChangeDevice
from pulse_identity.use_cases.change_profile import ChangeProfile
from pulse_identity.use_cases.change_user import ChangeUser
from pulse_identity.use_cases.create_user import CreateUser
from pulse_identity.use_cases.delete_device import DeleteDevice
from pulse_identity.use_cases.delete_user import DeleteUser
from pulse_identity.use_cases.edit_roles import EditRoles
from pulse_identity.use_cases.end_sessions import EndSessions
from pulse_identity.use_cases.enrol_device import EnrolDevice
from pulse_identity.use_cases.equip_desktop import EquipDesktop
from pulse_identity.use_cases.find_devices import FindDevices
from pulse_identity.use_cases.find_people import FindPeople
from pulse_identity.use_cases.forget_expired import ForgetExpired
from pulse_identity.use_cases.hand_over_key import HandOverKey
from pulse_identity.use_cases.import_devices import ImportDevices
from pulse_identity.use_cases.issue_enrolment_code import IssueEnrolmentCode
from pulse_identity.use_cases.issue_verifiers import IssueVerifiers
from pulse_identity.use_cases.ports import UnitOfWork
from pulse_identity.use_cases.prepare_start import FirstAdmin, PrepareStart
from pulse_identity.use_cases.read_audit import ReadAudit
from pulse_identity.use_cases.reconcile_broker import ReconcileBroker
from pulse_identity.use_cases.refresh_session import RefreshSession
from pulse_identity.use_cases.register_devices import RegisterDevices
from pulse_identity.use_cases.register_user import RegisterUser
from pulse_identity.use_cases.reset_password import ResetPassword
from pulse_identity.use_cases.restore_edit import RestoreEdit
from pulse_identity.use_cases.rotate_device_key import RotateDeviceKey
from pulse_identity.use_cases.rotate_signing_keys import KeyTimes, RotateSigningKeys
from pulse_identity.use_cases.share_device import ShareDevice
from pulse_identity.use_cases.sign_in import SessionTimes, SignIn
from pulse_identity.use_cases.sign_in_externally import ExternalRules, SignInExternally
from pulse_identity.use_cases.sign_out import SignOut
from pulse_identity.use_cases.switch_device import SwitchDevice
from pulse_identity.use_cases.unshare_device import UnshareDevice
from pulse_identity.use_cases.verify_audit import VerifyAudit

SERVICE = "identity"
POOL_SIZE = 10
# More than there are hashing threads, so that those are never idle; far fewer than there are connections.
SIGN_INS_BESIDE_HASHING = 3
HOUSEKEEPING_SECONDS = 3600.0
KEY_ROTATION_SECONDS = 60.0
# A code has 100 bits: this is about noise, not about guessing.
ENROLMENT_BUCKET = Bucket(capacity=20, refill=0.2)
MIGRATIONS = Path(__file__).parent / "storage" / "migrations"


@dataclass(frozen=True, slots=True)
class Parts:
    """The adapters, once each."""

    settings: IdentitySettings
    database: Database
    redis: Redis
    revoked: RevokedSessions
    broker: MosquittoAccounts | EmqxAccounts
    hasher: Argon2Passwords
    box: KeyedSecretBox
    keys: SigningKeys
    work: PostgresWork
    audit_log: PostgresAuditLog
    audit_signer: AuditSigner
    audit_trail: AuditTrail
    clock: Clock
    registry: CollectorRegistry
    count: Counters[CounterName]


async def migrate(settings: IdentitySettings) -> None:
    """Bring schema `identity` to the newest revision."""
    await upgrade(settings.database_url, MIGRATIONS, SCHEMA)


async def verify_audit(settings: IdentitySettings, known: Link | None = None) -> Verdict:
    """Verify the audit log; needs the database and PULSE_IDENTITY_SECRET, nothing else."""
    database = Database(settings.database_url, pool_size=2, application_name=f"{SERVICE}-audit")
    signer = AuditSigner(settings.identity_secret)
    try:
        return await VerifyAudit(PostgresAuditLog(database, signer, SystemClock()), signer)(known)
    finally:
        await database.dispose()


async def rotate_keys(settings: IdentitySettings) -> datetime | None:
    """Publish the next signing key now; return when it begins to sign, None when one is on its way."""
    async with _open_parts(settings) as parts:
        return await key_rotation(parts)(at_once=True)


async def reset_password(settings: IdentitySettings, username: str, password: str | None, *, activates: bool) -> str:
    """Give a user a new password; return it."""
    async with _open_parts(settings) as parts:
        return await ResetPassword(parts.work, parts.hasher, parts.clock)(username, password, activates=activates)


@asynccontextmanager
async def _open_parts(settings: IdentitySettings) -> AsyncIterator[Parts]:
    parts = make_parts(settings)
    try:
        yield parts
    finally:
        await close_parts(parts)


async def close_parts(parts: Parts) -> None:
    """Close the adapters."""
    parts.hasher.close()
    await parts.broker.close()
    await parts.redis.aclose()
    await parts.database.dispose()


@asynccontextmanager
async def compose(settings: IdentitySettings) -> AsyncIterator[Sequence[Worker]]:
    """Prepare the first start, and give the workers of the process."""
    async with _open_parts(settings) as parts:
        await prepare(parts)
        workers = make_workers(parts)
        # After everything is there: a search through it all stopped every request for a sixth of a second.
        collect_rarely()
        yield workers


def make_parts(settings: IdentitySettings, clock: Clock | None = None) -> Parts:
    """Construct the adapters; nothing is connected yet."""
    clock = clock or SystemClock()
    database = Database(settings.database_url, pool_size=POOL_SIZE, application_name=SERVICE, outbox=outbox)
    work = PostgresWork(database, clock)
    box = KeyedSecretBox(settings.identity_secret)
    signer = AuditSigner(settings.identity_secret)
    registry = create_registry()
    redis = streams.connect_redis(settings.redis_url)
    return Parts(
        settings=settings,
        database=database,
        redis=redis,
        revoked=RevokedSessions(redis),
        broker=_broker_of(settings, clock),
        hasher=Argon2Passwords(
            Argon2Cost(
                settings.identity_argon2_memory_kib,
                settings.identity_argon2_passes,
                settings.identity_argon2_lanes,
                settings.identity_argon2_workers,
                settings.identity_argon2_waiting,
            )
        ),
        box=box,
        keys=SigningKeys(work, box, clock),
        work=work,
        audit_log=PostgresAuditLog(database, signer, clock),
        audit_signer=signer,
        audit_trail=AuditTrail(SERVICE, database, clock),
        clock=clock,
        registry=registry,
        count=counters(registry),
    )


async def prepare(parts: Parts) -> None:
    """See to permissions, built-in roles, a signing key and the first admin; show a made-up password, once."""

    async def ensure_keys(unit: UnitOfWork, now: datetime) -> None:
        await ensure_signing_key(unit, parts.box, now)
        await ensure_password_box(unit, parts.box, now)

    first_admin = FirstAdmin(parts.settings.identity_admin_username, parts.settings.identity_admin_password)
    made_up = await PrepareStart(parts.work, parts.hasher, parts.clock, ensure_keys)(first_admin)
    if made_up is not None:
        line = "=" * 64
        # The one secret that is ever printed: past the log, to the terminal of whoever started this.
        sys.stderr.write(
            f"\n{line}\n  First start: sign in as {first_admin.username!r} with the password\n\n"
            f"      {made_up}\n\n  It is not stored in clear and will not be shown again.\n{line}\n\n"
        )
        sys.stderr.flush()


def key_rotation(parts: Parts) -> RotateSigningKeys:
    """Return what changes the signing key when it is time."""
    times = KeyTimes(signs=timedelta(days=parts.settings.identity_signing_key_days))
    return RotateSigningKeys(parts.work, lambda start: make_signing_key(parts.box, start), parts.clock, times)


def make_app(parts: Parts) -> FastAPI:
    """Return the HTTP app over the adapters."""
    health = HealthRegistry()
    health.add("postgresql", parts.database.ping)
    health.add("redis", lambda: streams.ping(parts.redis))
    health.add("mqtt", parts.broker.check, timeout=3.0)
    authority = Authority(parts.keys.published, clock=parts.clock, revoked=parts.revoked)
    idempotency = Idempotency(parts.redis, SERVICE, parts.box, authority)
    settings = parts.settings
    turnstile = Turnstile(settings.identity_argon2_workers + SIGN_INS_BESIDE_HASHING, settings.identity_argon2_waiting)
    edge = Edge.of(settings, parts.redis, SERVICE)
    app = routed_app(SERVICE, health, parts.registry, authority, idempotency, edge, turnstile)
    app.state.use_cases = _use_cases(parts)
    app.state.audit = parts.audit_trail
    app.state.internal_key = parts.settings.internal_service_key
    return app


def document() -> dict[str, Any]:
    """Return the OpenAPI document; needs no environment."""
    return routed_app(SERVICE, HealthRegistry(), CollectorRegistry(), None).openapi()


def make_workers(parts: Parts) -> Sequence[Worker]:
    """Return everything that runs in the process."""
    settings = parts.settings
    reconcile = ReconcileBroker(
        parts.work, parts.broker, parts.clock, timedelta(seconds=settings.identity_orphan_seconds)
    )
    gauge = gauges(parts.registry)
    rotate_keys = key_rotation(parts)

    async def rotate() -> None:
        await rotate_keys()

    async def reconcile_and_count() -> None:
        gauge.set("password_checks_pending", parts.hasher.pending)
        done = await reconcile()
        parts.count.add("broker_accounts_deleted", done.deleted)
        parts.count.add("broker_accounts_switched", done.switched)
        parts.count.add("device_key_handovers_finished", done.handed_over)
        gauge.set("broker_accounts_missing", done.missing)

    return [
        parts.broker.worker(),
        parts.audit_trail.worker(),
        OutboxRelay(parts.database, outbox, parts.redis).worker(),
        parts.revoked.worker(),
        AuditFeed(parts.redis, parts.audit_log, parts.clock).worker(),
        periodic_worker(settings.identity_reconcile_seconds, "reconciler", reconcile_and_count),
        periodic_worker(KEY_ROTATION_SECONDS, "key_rotation", rotate),
        periodic_worker(HOUSEKEEPING_SECONDS, "housekeeping", ForgetExpired(parts.work, parts.clock)),
        loop_lag_worker(parts.registry),
        http_worker(
            make_app(parts),
            host=settings.http_host,
            port=settings.http_port,
            trusted_proxies=settings.trusted_proxies,
        ),
    ]


def _use_cases(parts: Parts) -> UseCases:
    settings, work, clock, broker = parts.settings, parts.work, parts.clock, parts.broker
    times = SessionTimes(settings.session_idle, settings.session_longest)
    sign_in = Bucket(settings.identity_sign_in_burst, settings.identity_sign_in_refill)
    limits = RedisLimits(parts.redis, sign_in=sign_in, enrolment=ENROLMENT_BUCKET)
    register, hand_over = RegisterDevices(work, broker, clock), HandOverKey(work, broker, clock)

    return UseCases(
        sign_in=SignIn(work, parts.hasher, limits, parts.keys, clock, times),
        refresh_session=RefreshSession(work, parts.box, parts.keys, clock, times),
        sign_in_externally=_external_door(parts, times),
        sign_out=SignOut(work, clock),
        find_people=FindPeople(work),
        create_user=CreateUser(work, parts.hasher, clock),
        change_user=ChangeUser(work, parts.hasher, clock),
        change_profile=ChangeProfile(work, parts.hasher, limits, clock),
        register_user=RegisterUser(work, parts.hasher, limits, clock, is_open=settings.identity_registration),
        edit_roles=EditRoles(work),
        end_sessions=EndSessions(work, clock),
        delete_user=DeleteUser(work, clock),
        find_devices=FindDevices(work),
        register_devices=register,
        import_devices=ImportDevices(work, register),
        change_device=ChangeDevice(work, clock),
        rotate_device_key=RotateDeviceKey(work, hand_over, clock),
        switch_device=SwitchDevice(work, broker, clock),
        delete_device=DeleteDevice(work, broker, clock),
        share_device=ShareDevice(work, clock),
        unshare_device=UnshareDevice(work),
        issue_enrolment_code=IssueEnrolmentCode(work, clock),
        enrol_device=EnrolDevice(work, register, hand_over, limits, clock, EquipDesktop(parts.box, clock)),
        apply_operations=ApplyOperations(work, parts.hasher, SealedPasswordBox(work, parts.box), clock, parts.count),
        restore_edit=RestoreEdit(work, clock),
        issue_verifiers=IssueVerifiers(work, parts.box),
        admit_to_broker=AdmitToBroker(PostgresDeviceCredentials(parts.database), clock, settings.emqx_services),
        broker_secret=settings.emqx_secret,
        read_audit=ReadAudit(work, parts.audit_log),
        published_keys=parts.keys.published,
        live_position=StreamPosition(parts.redis, DEVICES_STREAM, Topic.DEVICES),
        broker_address=settings.public_broker,
        allowed_origins=settings.origins,
        sign_in_methods=SignInMethods(
            registration=settings.identity_registration,
            oidc=settings.identity_oidc_name if settings.identity_oidc_issuer else None,
        ),
        count=parts.count,
    )


def _broker_of(settings: IdentitySettings, clock: Clock) -> MosquittoAccounts | EmqxAccounts:
    if settings.emqx_api is None:
        return MosquittoAccounts(settings.broker_admin)
    registered = Database(settings.database_url, pool_size=2, application_name=f"{SERVICE}-accounts")
    return EmqxAccounts(settings.emqx_api, PostgresRegisteredAccounts(registered), clock)


def _external_door(parts: Parts, times: SessionTimes) -> SignInExternally | None:
    client = parts.settings.oidc_client
    if client is None:
        return None
    rules = ExternalRules(times, parts.settings.oidc_roles)
    return SignInExternally(OidcProvider(client, parts.clock), parts.work, parts.box, parts.keys, parts.clock, rules)
