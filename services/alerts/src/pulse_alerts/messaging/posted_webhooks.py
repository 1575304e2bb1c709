"""Programs that are told by webhook: one signed POST for a message, the same `webhook-id` however often it is tried.

Guaranteed: a connection goes to an address that was checked, never to what a name may mean a moment later; redirects are
not followed; of an answer only its status and `Retry-After` are read, and nothing of it is shown to anybody.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

import httpx

from pulse_alerts.domain.channel import WebhookSecret
from pulse_alerts.domain.reachable import Address, Network, Origin, may_reach, origin_of, parse_address
from pulse_alerts.domain.retrying import NotTaken, Outcome, Refused, Sent
from pulse_alerts.domain.webhook_signature import signed_headers
from pulse_alerts.use_cases.notification_ports import Claimed
from pulse_chassis.clock import Clock
from pulse_contracts.alerts import AlertsWebhook

POST_SECONDS: Final = 15.0
"""For all of it: resolving, connecting, TLS, the answer's head."""
_AGAIN: Final = frozenset({408, 425, 429})
_MEANING: Final = {3: ": redirects are not followed"}


class PostedWebhooks:
    """Plays `Webhooks`. `allowed` are the private networks that webhooks may lead into."""

    def __init__(self, client: httpx.AsyncClient, allowed: Sequence[Network], clock: Clock) -> None:
        self._client = client
        self._allowed = allowed
        self._clock = clock

    async def tell(self, claimed: Claimed, body: AlertsWebhook, secret: WebhookSecret | None) -> Outcome:
        """Send one message, signed."""
        if secret is None:
            return Refused(
                "secret_unreadable", "its URL and key cannot be opened with the service's key; set them anew"
            )
        content = body.model_dump_json().encode()
        headers = {
            "content-type": "application/json",
            "user-agent": "PrecisionPulse-Webhooks/1",
            **signed_headers(secret.key, f"msg_{claimed.id.hex}", int(self._clock.now().timestamp()), content),
        }
        try:
            async with asyncio.timeout(POST_SECONDS):
                return await self._sent(secret.url, headers, content)
        except socket.gaierror:
            return NotTaken("name_unknown", "the host's name cannot be resolved")
        except (httpx.ConnectError, httpx.ConnectTimeout):
            return NotTaken("unreachable", "it cannot be connected to, or its certificate is not acceptable")
        except (httpx.HTTPError, TimeoutError):
            return NotTaken("no_answer", "it gave no answer in time", is_doubtful=True)
        except ValueError as error:
            return Refused("url_refused", str(error))

    async def _sent(self, url: str, headers: dict[str, str], content: bytes) -> Outcome:
        origin = origin_of(url)
        address = await self._checked(origin)
        if address is None:
            return Refused("address_refused", f"{origin.shown} leads into a network that is not open to webhooks")
        return await self._post(url, origin, address, headers, content)

    async def _checked(self, origin: Origin) -> Address | None:
        """Return an address of the host that may be reached; None when none may."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
        addresses = (parse_address(str(where[0])) for *_, where in found)
        return next((one for one in addresses if may_reach(one, origin.scheme, self._allowed)), None)

    async def _post(
        self, url: str, origin: Origin, address: Address, headers: dict[str, str], content: bytes
    ) -> Outcome:
        named = httpx.URL(url)
        request = self._client.build_request(
            "POST",
            named.copy_with(host=str(address)),
            headers={**headers, "host": named.netloc.decode("ascii")},
            content=content,
            # The certificate is the named host's, whatever address was connected to.
            extensions={"sni_hostname": origin.host} if origin.scheme == "https" else {},
        )
        answer = await self._client.send(request, stream=True)
        try:
            return self._judged(answer)
        finally:
            await answer.aclose()

    def _judged(self, answer: httpx.Response) -> Outcome:
        status = answer.status_code
        if answer.is_success:
            return Sent()
        if status in _AGAIN or status >= 500:
            return NotTaken(
                f"http_{status}", f"it answered with {status}", self._pause(answer.headers.get("retry-after"))
            )
        # Also where it redirects to, nothing is sent: that address was never checked.
        return Refused(f"http_{status}", f"it answered with {status}" + _MEANING.get(status // 100, ""))

    def _pause(self, text: str | None) -> timedelta | None:
        """Return what `Retry-After` asks for, in seconds or as a date."""
        if text is None:
            return None
        if text.isascii() and text.isdigit():
            return timedelta(seconds=min(int(text[:9]), 86_400))
        try:
            at = parsedate_to_datetime(text)
        except ValueError:
            return None
        aware: datetime = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        return max(timedelta(0), aware - self._clock.now())


def webhook_client(ca_file: Path | None = None) -> httpx.AsyncClient:
    """Return the client that posts: no proxy from the environment, no redirects, no connection kept for another name.

    `ca_file` holds authorities that are trusted beside the public ones.
    """
    context = httpx.create_ssl_context(trust_env=False)
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    limits = httpx.Limits(max_connections=32, max_keepalive_connections=0)
    return httpx.AsyncClient(
        verify=context, timeout=POST_SECONDS, limits=limits, trust_env=False, follow_redirects=False
    )
