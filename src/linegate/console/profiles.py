"""Notification profiles and security settings: how reports are pushed, and what proves us."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from starlette.responses import Response

from linegate.console.answers import back, missing, refused
from linegate.console.hands import Hands, Save
from linegate.console.pages import page
from linegate.console.visit import Form, Visit
from linegate.postgres.audit import acting
from linegate.postgres.pool import Pool
from linegate.postgres.subscriptions import Page as Rows
from linegate.postgres.subscriptions import delete_profile, delete_security, list_certificates
from linegate.webhook.security import HMAC_ALGORITHMS

__all__ = ["ProfilePages"]

_PATH = "/console/webhooks/profiles"
_LONGEST = 20_000
_NUMBERS = {
    "bucket": "maxBucketSize",
    "window": "windowSize",
    "connect": "connectTimeout",
    "read": "readTimeout",
    "rate": "rateLimit",
}
_LABELS = {
    "maxBucketSize": "Reports in one request",
    "windowSize": "Requests at once",
    "connectTimeout": "Wait for connection",
    "readTimeout": "Wait for answer",
    "rateLimit": "Requests a second",
    "responseRegex": "Pattern of statuses that take",
    "responseBodyRegex": "Pattern of the answer",
    "profileId": "Profile id",
    "webhook.notifyUrl": "Where reports go",
    "authId": "Id of the settings",
    "credentials.username": "User",
    "credentials.password": "Password",
    "credentials.secretKey": "Secret key",
    "credentials.tokenUrl": "Token URL",
    "credentials.clientId": "Client id",
    "credentials.clientSecret": "Client secret",
    "credentials.refreshToken": "Refresh token",
    "credentials.headers": "Headers",
}
"""How the page calls properties of the Subscriptions API."""

_CREDENTIALS = {
    "BASIC": ("username", "password"),
    "HMAC": ("secretKey", "algorithm"),
    "OAUTH": (
        "tokenUrl",
        "grantType",
        "clientId",
        "clientSecret",
        "scope",
        "username",
        "password",
        "resource",
        "refreshToken",
    ),
    "CUSTOM": (),
}
_CERTIFICATES = 100
_SOON = timedelta(days=30)


class _Given(dict[str, Any]):
    """What is there of a resource, for the fields of its form; the rest is empty."""

    def __missing__(self, name: str) -> str:
        return ""

    @classmethod
    def of(cls, all_: Sequence[Mapping[str, Any]], key: str, id_: str) -> "_Given":
        """The one with this id; without, nothing at all."""
        found = next((each for each in all_ if each[key] == id_), {})
        return cls(
            (name, cls(value) if isinstance(value, dict) else value)
            for name, value in found.items()
        )


class ProfilePages:
    """Writes profiles and security settings, by the rules of the Subscriptions API."""

    def __init__(self, pool: Pool, hands: Hands) -> None:
        """Delete over `pool`; all else is read and judged through `hands`."""
        self._pool = pool
        self._hands = hands

    async def all(self, visit: Visit) -> Response:
        """Profiles, security settings and certificates of the account, and a form for each."""
        account_id = visit.viewer.acting_id
        profiles = await self._hands.profiles(account_id)
        securities = await self._hands.securities(account_id)
        async with self._pool.acquire() as conn:
            certificates, _ = await list_certificates(conn, account_id, Rows(_CERTIFICATES))
        profile_id, auth_id = visit.query.text("profile"), visit.query.text("security")
        return page(
            visit,
            "profiles.html",
            profiles=profiles,
            securities=securities,
            certificates=certificates,
            soon=_SOON,
            profile=_Given.of(profiles, "profileId", profile_id),
            security=_Given.of(securities, "authId", auth_id),
            algorithms=sorted(HMAC_ALGORITHMS),
        )

    async def save_profile(self, visit: Visit) -> Response:
        """A new profile, or all of one that is there."""
        body = _profile(visit.form)
        if isinstance(body, str):
            return refused(visit, body)
        id_ = visit.form.text("profile")
        return await _saved(visit, self._hands.save_profile, body, "profile", id_)

    async def save_security(self, visit: Visit) -> Response:
        """New security settings, or all of some that are there."""
        body = _security(visit.form)
        if isinstance(body, str):
            return refused(visit, body)
        return await _saved(visit, self._hands.save_security, body, "settings", body["authId"])

    async def delete_profile(self, visit: Visit) -> Response:
        """Delete one that no subscription uses; what waits for it is given up."""
        id_, account_id = visit.form.text("profile"), visit.viewer.acting_id
        async with acting(self._pool, visit.actor) as conn:
            is_gone = await delete_profile(conn, account_id, id_, now=visit.now)
        return _deleted(visit, is_gone, f"profile {id_}", "a subscription")

    async def delete_security(self, visit: Visit) -> Response:
        """Delete those that no profile uses."""
        id_, account_id = visit.form.text("security"), visit.viewer.acting_id
        async with acting(self._pool, visit.actor) as conn:
            is_gone = await delete_security(conn, account_id, id_)
        return _deleted(visit, is_gone, f"security settings {id_}", "a profile")


async def _saved(visit: Visit, save: Save, body: dict[str, Any], what: str, id_: str) -> Response:
    is_new = not visit.form.text("is_there")
    given = json.dumps(body).encode()
    found = await save(visit.viewer.acting_id, visit.actor, given, is_new)
    if found:
        words = [f"{_LABELS.get(each.property, each.property)} {each.violation}" for each in found]
        return refused(visit, "; ".join(words))
    return back(visit, _PATH, f"The {what} {id_}: {'created' if is_new else 'changed'}.")


def _deleted(visit: Visit, is_gone: bool | None, what: str, user: str) -> Response:
    if is_gone is None:
        return refused(visit, f"The {what} cannot be deleted: {user} uses it.")
    if not is_gone:
        return missing(visit, what.rpartition(" ")[0])
    return back(visit, _PATH, f"Deleted: {what}.")


def _profile(form: Form) -> dict[str, Any] | str:
    """The request that the Subscriptions API would get, or what cannot be read."""
    headers = _headers(form)
    if headers is None:
        return "Headers are written as `Name: value`, one a line."
    body: dict[str, Any] = {
        "profileId": form.text("profile"),
        "webhook": {"notifyUrl": form.text("url", 2000), "contentType": form.text("format")},
        "headers": headers,
        "enabledSSLProtocols": form.all("tls"),
        "responseRegex": form.text("status_pattern", 2000),
        "responseBodyRegex": form.text("body_pattern", 2000),
        "clientCertificateId": form.text("certificate"),
    }
    if form.text("auth"):
        body["security"] = {"authId": form.text("auth")}
    for field, name in _NUMBERS.items():
        text = form.text(field, 9)
        if text and not text.isdecimal():
            return f"{_LABELS[name]} is a whole number."
        body[name] = int(text) if text else None
    return {name: value for name, value in body.items() if value}


def _security(form: Form) -> dict[str, Any] | str:
    """The request that the Subscriptions API would get, or what cannot be read."""
    kind = form.text("type")
    if kind not in _CREDENTIALS:
        return "The type is one of BASIC, HMAC, OAUTH and CUSTOM."
    headers = _headers(form)
    if headers is None:
        return "Headers are written as `Name: value`, one a line."
    # Fields of the other types are on the page too; each has its type's name before its own.
    credentials: dict[str, Any] = {
        name: form.text(f"{kind}.{name}", 2000)
        for name in _CREDENTIALS[kind]
        if form.text(f"{kind}.{name}", 2000)
    }
    if headers and kind in ("OAUTH", "CUSTOM"):
        credentials["headers"] = headers
    return {"authId": form.text("security"), "type": kind, "credentials": credentials}


def _headers(form: Form) -> dict[str, str] | None:
    """Headers by name; None if a line is none."""
    found: dict[str, str] = {}
    for line in form.text("headers", _LONGEST).splitlines():
        name, colon, value = line.partition(":")
        if not line.strip():
            continue
        if not colon or not name.strip():
            return None
        found[name.strip()] = value.strip()
    return found
