"""The token endpoints.

Source: LINE reference, "Channel access token" (FACTS A5.1). Stateless and short-lived
tokens are issued for the channel's id and secret; stateless ones also for a JWT assertion
signed with a key of the channel's settings.
"""

from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from linegate.simulator.assertions import issuer_of, refusal_of
from linegate.simulator.line_platform import LinePlatform
from linegate.simulator.replies import Handler, json_reply
from linegate.simulator.tokens import SHORT_LIVED_SECONDS, STATELESS_SECONDS

__all__ = ["OAuth"]


class OAuth:
    """Handlers of `/oauth2` and `/v2/oauth`."""

    def __init__(self, platform: LinePlatform) -> None:
        self._next_id = platform.next_id
        self._channels = platform.channels

    def routes(self) -> list[Route]:
        """All routes."""
        table: tuple[tuple[str, str, Handler], ...] = (
            ("POST", "/oauth2/v3/token", self.stateless),
            ("POST", "/v2/oauth/accessToken", self.short_lived),
            ("POST", "/v2/oauth/revoke", self.revoke),
            ("POST", "/v2/oauth/verify", self.verify),
        )
        return [Route(path, self._signed(act), methods=[method]) for method, path, act in table]

    async def stateless(self, request: Request) -> Response:
        """`POST /oauth2/v3/token`: a token that lives 15 minutes."""
        return await self._issue(request, "stateless", STATELESS_SECONDS)

    async def short_lived(self, request: Request) -> Response:
        """`POST /v2/oauth/accessToken`: a token that lives 30 days."""
        return await self._issue(request, "short", SHORT_LIVED_SECONDS)

    async def revoke(self, request: Request) -> Response:
        """`POST /v2/oauth/revoke`: end a token; 200 whether it was known or not."""
        form = await _form(request)
        self._channels.tokens.revoke(form.get("access_token", ""))
        return Response(b"", 200)

    async def verify(self, request: Request) -> Response:
        """`POST /v2/oauth/verify`: whose token it is and how long it lives."""
        form = await _form(request)
        now = self._channels.settings.wall()
        known = self._channels.tokens.find(form.get("access_token", ""), now)
        if known is None:
            return _problem("invalid_request", "access token expired or unknown")
        left = int(min(known.expires_at - now, 2**31))
        return json_reply({"client_id": known.channel_id, "expires_in": left, "scope": ""})

    async def _issue(self, request: Request, kind: str, lifetime: int) -> Response:
        form = await _form(request)
        if form.get("grant_type") != "client_credentials":
            return _problem("unsupported_grant_type", "unsupported grant_type")
        now = self._channels.settings.wall()
        if "client_assertion" in form and kind == "stateless":
            channel = self._channels.by_id.get(issuer_of(form["client_assertion"]))
            keys = channel.given.assertion_keys if channel is not None else {}
            refusal = refusal_of(form, keys, now)
            if channel is None or refusal is not None:
                return _problem("invalid_client", refusal or "unknown channel", 400)
        else:
            channel = self._channels.by_id.get(form.get("client_id", ""))
            if channel is None or channel.given.channel_secret != form.get("client_secret"):
                return _problem("invalid_client", "invalid client_id or client_secret")
        token = self._channels.tokens.issue(channel.id, kind, lifetime, now)
        answer = {"token_type": "Bearer", "access_token": token, "expires_in": lifetime}
        return json_reply(answer)

    def _signed(self, handler: Handler) -> Handler:
        async def signed(request: Request) -> Response:
            response = await handler(request)
            response.headers["x-line-request-id"] = self._next_id().decode()
            return response

        return signed


def _problem(error: str, text: str, status: int = 400) -> Response:
    return json_reply({"error": error, "error_description": text}, status)


async def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode("latin-1")))
