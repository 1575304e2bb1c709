"""`Idempotency-Key` on every POST: a request that is sent again is answered again, not done again.

Guaranteed for 24 hours, for requests of one caller to one path under one key: the same body gets the same answer
(`Idempotency-Replayed: true`), another body 422, a request that is still under way 409. Without Redis a request that
asks for the guarantee is refused with 503 rather than done without it. Answers of 5xx, 401, 403, 408 and 429 say that
nothing was done and are not kept.

The doubt that is left: a process that dies, or loses Redis, between its commit and the kept answer leaves the key
locked for two minutes, and after that the same request runs again; so it does when Redis loses its data. The key is not
part of the transaction, because one request may take several (a device: registry, broker, registry). What is named by
its caller (a user, a role, a device, a reading with its sequence) is then refused as being there already, or stored
once; what is not is done again: one more enrolment code, one more key of a device, one more session. A route whose
effect must never come twice takes the caller's id and has the database hold it unique.

The caller is the verified user of an access token, else whoever holds the same credentials (device key, cookie), so
nobody is given the answer to somebody else. Answers may hold secrets that are shown once: they are sealed before they
leave the process, and keys and credentials are stored as digests only.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pulse_chassis.bearer import Authority
from pulse_chassis.errors import ConflictError, InvalidError, PulseError, UnauthorizedError, UnavailableError
from pulse_chassis.problems import make_problem, problem_response

HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = b"idempotency-replayed"
KEPT_SECONDS: Final = 24 * 3600
LOCK_SECONDS: Final = 120
"""Longer than any request may take."""
MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
KEY_PATTERN: Final = r"^[\x21-\x7e]{1,128}$"
_KEY: Final = re.compile(KEY_PATTERN)
_NOT_KEPT: Final = frozenset({401, 403, 408, 429})
_CREDENTIALS: Final = ("authorization", "x-api-key", "cookie")
_BEARER: Final = re.compile(r"bearer\s+([\w-]+\.[\w-]+\.[\w-]+)\s*", re.IGNORECASE | re.ASCII)
_RELEASE: Final = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
_KEEP: Final = (
    "if redis.call('GET', KEYS[1]) == ARGV[1] then"
    " return redis.call('SET', KEYS[1], ARGV[2], 'EX', tonumber(ARGV[3])) end return 0"
)


class Sealer(Protocol):
    """Encrypts what is kept. `unseal` raises when it was sealed by another secret."""

    def seal(self, plain: bytes) -> bytes:
        """Encrypt."""
        ...

    def unseal(self, sealed: bytes) -> bytes:
        """Decrypt."""
        ...


class PlainAnswers:
    """A `Sealer` that does not: only for services whose answers hold no secrets."""

    def seal(self, plain: bytes) -> bytes:
        """Return it as it is."""
        return plain

    def unseal(self, sealed: bytes) -> bytes:
        """Return it as it is."""
        return sealed


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Idempotency:
    """What an app needs to honour the header; given to `create_app`.

    With `prefixes` only paths that begin with one of them are honoured: for an app that passes others on to their owner.
    """

    def __init__(
        self,
        redis: Redis,
        service: str,
        sealer: Sealer,
        authority: Authority | None,
        *,
        prefixes: tuple[str, ...] = ("/",),
    ) -> None:
        self._redis = redis
        self._service = service
        self._sealer = sealer
        self._authority = authority
        self._prefixes = prefixes
        self._release = redis.register_script(_RELEASE)
        self._keep = redis.register_script(_KEEP)

    def covers(self, scope: Scope) -> bool:
        """Tell whether this is a request whose key is honoured here."""
        if scope["type"] != "http" or scope["method"] != "POST":
            return False
        path: str = scope["path"]
        return path.startswith(self._prefixes)

    async def name(self, scope: Scope, key: str) -> str:
        """Return where the answer to this caller under this key is kept; raises UnavailableError."""
        headers = Headers(scope=scope)
        caller = ["credentials", *(headers.get(name, "") for name in _CREDENTIALS)]
        bearer = _BEARER.fullmatch(headers.get("authorization", ""))
        if bearer is not None and self._authority is not None:
            # Verified, and not just read: a forged token must not be given what its victim was told.
            with suppress(UnauthorizedError):  # An expired one beside a refresh token: the route decides.
                caller = ["user", str((await self._authority.verify(bearer[1])).user_id)]
        text = json.dumps([caller, scope["path"], scope["query_string"].decode("latin-1"), key])
        return f"{self._service}:idempotency:{hashlib.sha256(text.encode()).hexdigest()}"

    async def begin(self, name: str, fingerprint: str, ticket: str) -> _Answer | None:
        """Return the answer that is kept, or take the lock and return None; raises InvalidError, ConflictError."""
        lock = json.dumps({"fingerprint": fingerprint, "ticket": ticket})
        held = await _ask(self._redis.set(name, lock, nx=True, get=True, ex=LOCK_SECONDS))
        if held is None:
            return None
        record = json.loads(held)
        if record["fingerprint"] != fingerprint:
            message = "this key was used for another request"
            raise InvalidError(message, code="idempotency_key_reused", field=HEADER)
        if "answer" not in record:
            if "too_large" in record:
                message = "this was done before; its answer was too large to be kept"
                raise ConflictError(message, code="idempotent_answer_not_kept", field=HEADER)
            message = "the same request is under way"
            raise ConflictError(message, code="idempotent_request_in_flight", field=HEADER, retry_after=1.0)
        plain = json.loads(self._sealer.unseal(base64.b64decode(record["answer"])))
        headers = [(field.encode("latin-1"), value.encode("latin-1")) for field, value in plain["headers"]]
        return _Answer(plain["status"], headers, base64.b64decode(plain["body"]))

    async def end(self, name: str, fingerprint: str, ticket: str, answer: _Answer | None) -> None:
        """Keep the answer, or with None give the key free; a lock that is not ours any more is left alone."""
        lock = json.dumps({"fingerprint": fingerprint, "ticket": ticket})
        if answer is None or answer.status >= 500 or answer.status in _NOT_KEPT:
            await _ask(self._release(keys=[name], args=[lock]))
            return
        record: dict[str, Any] = {"fingerprint": fingerprint}
        if len(answer.body) > MAX_ANSWER_BYTES:
            record["too_large"] = True
        else:
            plain = {
                "status": answer.status,
                "headers": [[field.decode("latin-1"), value.decode("latin-1")] for field, value in answer.headers],
                "body": base64.b64encode(answer.body).decode(),
            }
            record["answer"] = base64.b64encode(self._sealer.seal(json.dumps(plain).encode())).decode()
        await _ask(self._keep(keys=[name], args=[lock, json.dumps(record), KEPT_SECONDS]))


class IdempotentPosts:
    """The layer around the routes. It stands inside the edge, which bounds bodies and dresses every answer."""

    def __init__(self, app: ASGIApp, *, idempotency: Idempotency) -> None:
        self._app = app
        self._idempotency = idempotency

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        keys = Headers(scope=scope).getlist(HEADER) if self._idempotency.covers(scope) else []
        if not keys:
            await self._app(scope, receive, send)
            return
        try:
            answer = await self._answer(scope, receive, keys)
        except PulseError as error:
            problem = make_problem(
                error.status, error.code, error.message, field=error.field, retry_after=error.retry_after
            )
            await problem_response(problem)(scope, receive, send)
        except HTTPException as error:
            await problem_response(make_problem(error.status_code, "too_large", error.detail))(scope, receive, send)
        else:
            await _send(answer, send)

    async def _answer(self, scope: Scope, receive: Receive, keys: list[str]) -> _Answer:
        if len(set(keys)) > 1 or _KEY.fullmatch(keys[0]) is None:
            message = "an idempotency key has 1 to 128 visible ASCII characters"
            raise InvalidError(message, code="bad_idempotency_key", field=HEADER)
        name = await self._idempotency.name(scope, keys[0])
        body = await _read(receive)
        content_type = Headers(scope=scope).get("content-type", "")
        fingerprint = hashlib.sha256(content_type.encode() + b"\0" + body).hexdigest()
        ticket = secrets.token_hex(8)
        kept = await self._idempotency.begin(name, fingerprint, ticket)
        if kept is not None:
            return _Answer(kept.status, [*kept.headers, (REPLAYED_HEADER, b"true")], kept.body)
        answer = None
        try:
            answer = await self._run(scope, body)
        finally:
            # Not to be interrupted: a caller who hangs up must not leave a lock behind.
            await asyncio.shield(self._idempotency.end(name, fingerprint, ticket, answer))
        return answer

    async def _run(self, scope: Scope, body: bytes) -> _Answer:
        incoming: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        never = asyncio.Event()
        start: Message = {}
        parts: list[bytes] = []

        async def receive() -> Message:
            if incoming:
                return incoming.pop()
            await never.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                parts.append(message.get("body", b""))

        await self._app(scope, receive, send)
        return _Answer(start["status"], list(start.get("headers", [])), b"".join(parts))


async def _read(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return b"".join(parts)


async def _send(answer: _Answer, send: Send) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


async def _ask(command: Any) -> Any:
    try:
        return await command
    except (RedisError, OSError, TimeoutError) as error:
        message = "idempotency keys cannot be honoured at this moment"
        raise UnavailableError(message, code="idempotency_unavailable", retry_after=2.0) from error
