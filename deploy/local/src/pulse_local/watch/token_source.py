"""Access tokens for the live client, from the gateway's REST log-in."""

from __future__ import annotations

from pulse_local.watch.live_types import TokenRefusedError, TokenUnavailableError
from pulse_simulator.gateway_session import GatewayRefusedError, GatewaySession, GatewayUnreachableError


class RestTokenSource:
    """Logs in over REST and refreshes; the session stays the caller's to close."""

    def __init__(self, session: GatewaySession) -> None:
        self._session = session

    async def token(self, *, renew: bool = False) -> str:
        """Return a token good for half a minute at least, a new one if `renew`."""
        try:
            return await self._session.access_token(renew=renew)
        except GatewayRefusedError as refused:
            raise TokenRefusedError(f"the log-in was refused: {refused}") from None
        except GatewayUnreachableError as missing:
            raise TokenUnavailableError(str(missing)) from None


class FixedTokenSource:
    """One token that somebody else got; when it ends, so does the connection."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def token(self, *, renew: bool = False) -> str:
        """Return the token; raise TokenRefusedError when a new one is wanted, for there is none."""
        if renew:
            raise TokenRefusedError("the token has expired")
        return self._token
