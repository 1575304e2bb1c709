"""Signing in with another provider: authorization code flow with PKCE, and an account that follows its groups.

The one who comes back is the one who was sent: state, nonce and code verifier are kept by the browser in a sealed
cookie, for ten minutes. Somebody new gets an account without a password. Where groups are mapped to roles, the
provider decides about the roles at each sign-in; but the last active admin stays one.
"""

from __future__ import annotations

import hmac
import json
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from pulse_chassis.clock import Clock
from pulse_chassis.errors import ConflictError, InvalidError, UnauthorizedError
from pulse_chassis.logging import get_logger
from pulse_contracts.streams import AccessChanged
from pulse_identity.domain import people
from pulse_identity.domain.credentials import digest, new_token
from pulse_identity.domain.external_people import ExternalPerson, is_local_path, mapped_roles, username_for
from pulse_identity.domain.people import User
from pulse_identity.domain.sessions import RefreshToken, Session
from pulse_identity.use_cases.key_ports import AccessTokens, SecretBox, WrongSecretError
from pulse_identity.use_cases.oidc_ports import SignInProvider
from pulse_identity.use_cases.ports import UnitOfWork, Work
from pulse_identity.use_cases.sign_in import ClientInfo, SessionTimes, SignedIn
from pulse_identity.use_cases.tell_audit import session_resource, tell_audit, user_fields, user_resource

LIFETIME: Final = timedelta(minutes=10)
NO_PASSWORD: Final = "!"  # noqa: S105 -- no hash: nothing matches it
_log = get_logger("sign_in")


@dataclass(frozen=True, slots=True)
class Departure:
    """What the browser keeps while it is at the provider."""

    state: str
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    return_to: str
    at: float


@dataclass(frozen=True, slots=True)
class ExternalRules:
    """How long a session lasts, and which role a group of the provider stands for; with none, roles are ours to give."""

    times: SessionTimes
    roles: Mapping[str, str] = field(default_factory=dict, hash=False)


class SignInExternally:
    """Sends browsers to the provider and takes them back."""

    def __init__(
        self, provider: SignInProvider, work: Work, box: SecretBox, tokens: AccessTokens, clock: Clock,
        rules: ExternalRules,
    ) -> None:  # fmt: skip
        self._provider = provider
        self._work = work
        self._box = box
        self._tokens = tokens
        self._clock = clock
        self._times = rules.times
        self._roles = rules.roles

    async def begin(self, return_to: str) -> tuple[str, bytes]:
        """Return where to send the browser and what it keeps, sealed; raises InvalidError, UnavailableError."""
        if not is_local_path(return_to):
            message = "this is not a path of this site"
            raise InvalidError(message, code="bad_return_path", field="return_to")
        departure = Departure(
            state=secrets.token_urlsafe(24),
            nonce=secrets.token_urlsafe(24),
            verifier=secrets.token_urlsafe(48),
            return_to=return_to,
            at=self._clock.now().timestamp(),
        )
        url = await self._provider.begin(departure.state, departure.nonce, departure.verifier)
        return url, self._box.seal(json.dumps(asdict(departure)).encode())

    async def finish(self, kept: bytes | None, state: str, code: str, client: ClientInfo) -> tuple[SignedIn, str]:
        """Return a new session's tokens and the page to go to; raises UnauthorizedError, UnavailableError."""
        departure = self._departure(kept)
        if departure is None or not hmac.compare_digest(departure.state.encode(), state.encode("utf-8", "replace")):
            message = "this sign-in was not begun in this browser, or too long ago; begin again"
            raise UnauthorizedError(message, code="sign_in_not_begun")
        person = await self._provider.redeem(code, departure.nonce, departure.verifier)
        now = self._clock.now()
        text = new_token()
        async with self._work() as unit:
            await unit.lock(f"external:{person.issuer}:{person.subject}")
            user = await self._account(unit, person, now)
            session = Session(uuid.uuid4(), user.id, 1, now, now + self._times.longest)
            token = RefreshToken(digest(text), session.id, 1, now + self._times.idle)
            await unit.sessions.add(session, token, client.shown())
            shown = {**client.shown(), "issuer": person.issuer}
            await tell_audit(unit, "session.opened", session_resource(session.id), by=user, after=shown)
        access = await self._tokens.issue(user, session.id, now)
        return SignedIn(user, session.id, access, text, token.expires_at), departure.return_to

    def _departure(self, kept: bytes | None) -> Departure | None:
        try:
            departure = None if kept is None else Departure(**json.loads(self._box.unseal(kept)))
        except (WrongSecretError, ValueError, TypeError):
            return None
        if departure is None or self._clock.now().timestamp() - departure.at > LIFETIME.total_seconds():
            return None
        return departure

    async def _account(self, unit: UnitOfWork, person: ExternalPerson, now: datetime) -> User:
        user_id = await unit.identity_links.user_of(person.issuer, person.subject)
        if user_id is None:
            return await self._add(unit, person, now)
        user = await unit.people.user(user_id, for_update=True)
        if user is None or not user.is_active:
            message = "this account is disabled"
            raise UnauthorizedError(message, code="user_inactive")
        return await self._follow(unit, user, person, now) if self._roles else user

    async def _add(self, unit: UnitOfWork, person: ExternalPerson, now: datetime) -> User:
        names, permissions = await self._granted(unit, person)
        user = User(
            id=uuid.uuid4(),
            username=username_for(person),
            email=person.email,
            is_active=True,
            roles=names,
            permissions=permissions,
            version=1,
            created_at=now,
            updated_at=now,
        )
        try:
            await unit.people.add_user(user, NO_PASSWORD)
        except ConflictError:
            # A name or address that somebody here has: no reason to be let into their account.
            user = replace(user, username=f"{user.username}-{secrets.token_hex(4)}", email=None)
            await unit.people.add_user(user, NO_PASSWORD)
        await unit.identity_links.link(person.issuer, person.subject, user.id, now)
        await unit.publish(AccessChanged(kind="user", user_id=user.id))
        await tell_audit(unit, "user.registered", user_resource(user.id), by=user, after=user_fields(user))
        return user

    async def _follow(self, unit: UnitOfWork, user: User, person: ExternalPerson, now: datetime) -> User:
        names, permissions = await self._granted(unit, person)
        if names == user.roles:
            return user
        changed = replace(user, roles=names, permissions=permissions, version=user.version + 1, updated_at=now)
        if user.is_admin and not changed.is_admin:
            admins = await unit.people.lock_active_admins()
            if people.check_admin_remains(user, stays_admin=False, active_admins=admins) is not None:
                _log.warning("last_admin_kept", user_id=str(user.id))
                return user
        await unit.people.save_user(changed)
        await unit.publish(AccessChanged(kind="user", user_id=user.id))
        fields = {"before": user_fields(user), "after": user_fields(changed)}
        await tell_audit(unit, "user.changed", user_resource(user.id), by=user, **fields)
        return changed

    async def _granted(self, unit: UnitOfWork, person: ExternalPerson) -> tuple[tuple[str, ...], frozenset[str]]:
        wanted = {name.casefold() for name in mapped_roles(person, self._roles)}
        roles = [role for role in await unit.people.roles() if role.name.casefold() in wanted]
        if len(roles) < len(wanted):
            _log.warning("mapped_roles_missing", roles=sorted(wanted - {role.name.casefold() for role in roles}))
        return tuple(sorted(role.name for role in roles)), people.permissions_of(roles)
