"""Logins: POST and DELETE /auth/1/session, POST /auth/1/oauth2/token.

Older endpoints of the API: their errors come in the older envelope, and those of the token
endpoint besides as OAuth2 clients read them.

Source: published operations create-session and destroy-session; FACTS B4.2; RFC 6749, sections
2.3.1, 4.4 and 5.
"""

import base64
import binascii
from datetime import timedelta
from urllib.parse import parse_qsl, unquote_plus

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from linegate.api.auth import Refused, address_of
from linegate.api.body import media_type_of, read_body, read_bounded
from linegate.api.directory import Directory
from linegate.api.identities import TOKEN_LIFE, Denied
from linegate.api.legacy import legacy_problem
from linegate.api.throttle import Throttle
from linegate.clock import Clock

__all__ = ["Sessions"]

_BODY_LIMIT = 16 * 1024
_A_SECOND = 10  # logins of one address, as published
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class _Login(msgspec.Struct):
    username: str
    password: str
    unsafe: bool | None = None


_login = msgspec.json.Decoder(_Login)


class Sessions:
    """Opens and ends what users log in to."""

    def __init__(self, directory: Directory, clock: Clock) -> None:
        """Know users through `directory`."""
        self._identities = directory.identities
        self._clock = clock
        self._pace = Throttle(_A_SECOND, timedelta(seconds=1))

    async def create(self, request: Request) -> Response:
        """POST /auth/1/session: `{"token": ...}`, which serves this address unless `unsafe`."""
        now, address = self._clock.now(), address_of(request)
        if wait := self._charged(address):
            return _too_many(wait)
        try:
            asked = _login.decode(await read_body(request, _BODY_LIMIT))
        except Refused as refused:
            return legacy_problem(refused.status, "Request body cannot be taken")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return legacy_problem(400, "username and password must be given as strings")
        user = await self._identities.login(asked.username, asked.password, address, now)
        if isinstance(user, Denied):
            return _denied(user)
        bound = None if asked.unsafe else address
        token = await self._identities.open_token(user, "session", bound, now)
        return _json({"token": token})

    async def destroy(self, request: Request) -> Response:
        """DELETE /auth/1/session: 204; the session of the Authorization header ends."""
        header = request.headers.get("authorization", "")
        if await self._identities.close_session(header, address_of(request), self._clock.now()):
            return Response(status_code=204)
        return legacy_problem(401, "Unauthorized", headers={"WWW-Authenticate": "IBSSO"})

    async def issue(self, request: Request) -> Response:
        """POST /auth/1/oauth2/token: an access token for an hour, for a name and password."""
        now, address = self._clock.now(), address_of(request)
        if wait := self._charged(address):
            return _too_many(wait)
        given = await _credentials(request)
        if isinstance(given, Response):
            return given
        user = await self._identities.login(*given, address, now)
        if isinstance(user, Denied):
            return _oauth_denied(user)
        token = await self._identities.open_token(user, "oauth", None, now)
        life = int(TOKEN_LIFE.total_seconds())
        return _json({"access_token": token, "expires_in": life, "token_type": "Bearer"})

    def _charged(self, address: str | None) -> int:
        """Seconds to wait if this address logs in too often; 0 after counting it."""
        now = self._clock.now()
        wait = self._pace.wait(address, now)
        if not wait:
            self._pace.charge(address, now)
        return wait


async def _credentials(request: Request) -> tuple[str, str] | Response:
    """The client id and secret of a token request, or why there are none."""
    if media_type_of(request) != "application/x-www-form-urlencoded":
        return _oauth(415, "invalid_request", "the body must be a form")
    try:
        form = _form(await read_bounded(request, _BODY_LIMIT))
    except Refused as refused:
        return _oauth(refused.status, "invalid_request", "the body cannot be taken")
    if form is None:
        return _oauth(400, "invalid_request", "each parameter must be given once, in UTF-8")
    # The published list of grant types has trailing blanks.
    grant = form.get("grant_type", "").strip()
    if grant != "client_credentials":
        kind = "unsupported_grant_type" if grant else "invalid_request"
        return _oauth(400, kind, "grant_type must be client_credentials")
    given = _client(form, request.headers.get("authorization", ""))
    if given is None:
        return _oauth(400, "invalid_request", "client_id and client_secret must be given")
    return given


def _form(body: bytes) -> dict[str, str] | None:
    """The form's parameters; None if one is repeated or it is no UTF-8 text."""
    try:
        pairs = parse_qsl(body.decode(), errors="strict", max_num_fields=50)
    except ValueError:  # UnicodeDecodeError too
        return None
    form = dict(pairs)
    return form if len(form) == len(pairs) else None


def _client(form: dict[str, str], header: str) -> tuple[str, str] | None:
    """Client id and secret, from the form or from a Basic header. Source: RFC 6749, 2.3.1."""
    if "client_id" in form and "client_secret" in form:
        return form["client_id"], form["client_secret"]
    scheme, _, value = header.strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(value.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    client, colon, secret = text.partition(":")
    return (unquote_plus(client), unquote_plus(secret)) if colon else None


def _json(answer: dict[str, object]) -> Response:
    return Response(msgspec.json.encode(answer), headers=_NO_STORE, media_type="application/json")


def _too_many(wait: int) -> Response:
    return legacy_problem(429, "Too many requests", headers={"Retry-After": str(wait)})


def _denied(denied: Denied) -> Response:
    if denied.status == 429:
        return _too_many(denied.retry_after)
    text = denied.reason or "Invalid login details"
    return legacy_problem(denied.status, text)


def _oauth(status: int, error: str, text: str) -> Response:
    return legacy_problem(status, text, headers=_NO_STORE, error=error, error_description=text)


def _oauth_denied(denied: Denied) -> Response:
    if denied.status == 429:
        return _too_many(denied.retry_after)
    text = denied.reason or "the client or its secret is not known"
    return _oauth(denied.status, "invalid_client", text)
