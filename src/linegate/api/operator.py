"""/operator/1/...: the operator's hands over HTTP, over all accounts (ours).

Only keys and users that were given `operator:read` or `operator:manage` by name may call it.
"""

import os
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from linegate.admin.apply import apply_document
from linegate.admin.desired import DocumentError, Secret, read_document
from linegate.admin.notes import Hands
from linegate.admin.settings import KeyChange, change_key
from linegate.api.auth import Refused, authorise
from linegate.api.body import read_body
from linegate.api.directory import Directory
from linegate.api.passwords import hash_password
from linegate.api.template_request import read_wording
from linegate.clock import Clock
from linegate.domain.caller import Caller
from linegate.domain.keys import (
    ALL_SCOPES,
    KNOWN_SCOPES,
    OPERATE,
    OPERATOR_READ,
    digest_of,
    format_key,
)
from linegate.domain.violation import Violation
from linegate.postgres.admin import AccountListed, list_accounts
from linegate.postgres.audit import Change, acting, list_audit
from linegate.postgres.identities import (
    KeyListed,
    KeyRules,
    enable_key,
    insert_key,
    list_keys,
    rotate_key,
)
from linegate.postgres.pool import Connection, Pool
from linegate.postgres.suspension import resume_account, suspend_account
from linegate.vault import Vault

__all__ = [
    "Operator",
    "account_of",
    "answer_json",
    "decoded",
    "plain",
    "shown_account",
    "shown_change",
    "whole",
]

T = TypeVar("T")

_BODY_LIMIT = 4 * 1024 * 1024
_MOST = 1000
_HINT = 8
_GRACE = 86_400  # seconds


class _NewKey(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    name: str = ""
    scopes: list[str] | None = None


class _KeyState(KeyChange, rename="camel", forbid_unknown_fields=True):
    enabled: bool | None = None


class _Rotation(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    grace_seconds: int = _GRACE


class _Suspension(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    suspended: bool


class Operator:
    """Answers operators."""

    def __init__(self, pool: Pool, directory: Directory, vault: Vault, clock: Clock) -> None:
        """Work over `pool`; secrets are sealed by `vault`."""
        self._pool = pool
        self._directory = directory
        self._vault = vault
        self._clock = clock

    async def accounts(self, request: Request) -> Response:
        """GET /operator/1/accounts."""
        await self._caller(request, OPERATOR_READ)
        async with self._pool.acquire() as conn:
            found = await list_accounts(conn)
        return answer_json({"accounts": [shown_account(each) for each in found]})

    async def account(self, request: Request) -> Response:
        """GET /operator/1/accounts/{name}: the account and its keys."""
        await self._caller(request, OPERATOR_READ)
        async with self._pool.acquire() as conn:
            found = await account_of(conn, request)
            keys = await list_keys(conn, found.id)
        return answer_json({**shown_account(found), "keys": [_shown_key(key) for key in keys]})

    async def suspend(self, request: Request) -> Response:
        """PUT /operator/1/accounts/{name}/suspension: `{"suspended": true}`."""
        caller, now = await self._caller(request, OPERATE)
        asked = decoded(await read_body(request, _BODY_LIMIT), _Suspension)
        async with acting(self._pool, caller.name) as conn:
            found = await account_of(conn, request)
            change = suspend_account if asked.suspended else resume_account
            await change(conn, found.id, now=now)
        return answer_json({"suspended": asked.suspended})

    async def apply(self, request: Request) -> Response:
        """POST /operator/1/apply[?dryRun=true]: the document of `linegate apply`, as JSON."""
        caller, now = await self._caller(request, OPERATE)
        body = await read_body(request, _BODY_LIMIT)
        dry_run = request.query_params.get("dryRun") == "true"
        hands = Hands(self._vault, plain, hash_password, read_wording, caller.name)
        try:
            document = read_document(msgspec.json.decode(body))
            changes = await apply_document(self._pool, document, hands, dry_run=dry_run, now=now)
        except (DocumentError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Refused(400, [Violation("$", str(error))]) from error
        told = [
            {
                "subject": each.subject,
                "field": each.field,
                "before": _text(each.before),
                "after": _text(each.after),
            }
            for each in changes
        ]
        return answer_json({"dryRun": dry_run, "changes": told})

    async def create_key(self, request: Request) -> Response:
        """POST /operator/1/accounts/{name}/keys: 201 with the key, which is shown this once."""
        caller, now = await self._caller(request, OPERATE)
        asked = decoded(await read_body(request, _BODY_LIMIT), _NewKey)
        if unknown := sorted(set(asked.scopes or ()) - set(KNOWN_SCOPES)):
            raise Refused(400, [Violation("scopes", f"unknown: {', '.join(unknown)}")])
        key = format_key(os.urandom(16), os.urandom(16))
        async with acting(self._pool, caller.name) as conn:
            id_ = await insert_key(
                conn,
                account_id=(await account_of(conn, request)).id,
                name=asked.name,
                digest=digest_of(key),
                hint=key[:_HINT],
                rules=KeyRules(frozenset(ALL_SCOPES if asked.scopes is None else asked.scopes)),
                now=now,
            )
        return answer_json({"id": id_, "key": key}, 201)

    async def switch_key(self, request: Request) -> Response:
        """PATCH /operator/1/accounts/{name}/keys/{key_id}: `enabled`, limits of its own."""
        caller, _ = await self._caller(request, OPERATE)
        asked = decoded(await read_body(request, _BODY_LIMIT), _KeyState)
        async with acting(self._pool, caller.name) as conn:
            found = await account_of(conn, request)
            if not await change_key(conn, found.id, _key_id(request), asked):
                raise Refused(404)
            if asked.enabled is not None:
                await enable_key(conn, found.id, _key_id(request), enabled=asked.enabled)
            keys = {key.id: key for key in await list_keys(conn, found.id)}
        return answer_json(_shown_key(keys[_key_id(request)]))

    async def rotate(self, request: Request) -> Response:
        """POST /operator/1/accounts/{name}/keys/{key_id}/rotate: 201 with the new key."""
        caller, now = await self._caller(request, OPERATE)
        asked = decoded(await read_body(request, _BODY_LIMIT) or b"{}", _Rotation)
        if not 0 <= asked.grace_seconds <= 366 * _GRACE:
            raise Refused(400, [Violation("graceSeconds", "must be from 0 to a year")])
        key = format_key(os.urandom(16), os.urandom(16))
        async with acting(self._pool, caller.name) as conn:
            id_ = await rotate_key(
                conn,
                (await account_of(conn, request)).id,
                _key_id(request),
                digest=digest_of(key),
                hint=key[:_HINT],
                ends_at=now + timedelta(seconds=asked.grace_seconds),
                now=now,
            )
            if id_ is None:
                raise Refused(404)
        return answer_json({"id": id_, "key": key}, 201)

    async def audit(self, request: Request) -> Response:
        """GET /operator/1/audit?account=&before=&limit=: who changed what, newest first."""
        await self._caller(request, OPERATOR_READ)
        asked = request.query_params
        limit, before = whole(asked.get("limit")), whole(asked.get("before"))
        name = asked.get("account")
        async with self._pool.acquire() as conn:
            found = await list_accounts(conn, name) if name else []
            if name and not found:
                raise Refused(404)
            changes = await list_audit(
                conn,
                account_id=found[0].id if found else None,
                limit=min(limit or 50, _MOST),
                before=before,
            )
        return answer_json({"changes": [shown_change(each) for each in changes]})

    async def _caller(self, request: Request, scopes: frozenset[str]) -> tuple[Caller, datetime]:
        now = self._clock.now()
        return await authorise(request, self._directory, scopes, now), now


def shown_account(each: AccountListed) -> dict[str, object]:
    """One account as JSON."""
    return {
        "id": each.id,
        "name": each.name,
        "suspended": each.suspended_at is not None,
        "defaultSender": each.default_sender,
        "requestsPerSecond": each.requests_per_second,
        "messagesPerDay": each.messages_per_day,
        "messagesWaiting": each.messages_waiting,
        "retentionDays": each.retention_days,
        "webhook": each.webhook,
        "waiting": each.waiting,
    }


def shown_change(each: Change) -> dict[str, object]:
    """One change as JSON."""
    return {
        "id": each.id,
        "at": each.at.isoformat(),
        "account": each.account,
        "actor": each.actor,
        "action": each.action,
        "kind": each.kind,
        "subject": each.subject,
        "changes": each.changes,
    }


def _shown_key(key: KeyListed) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "hint": key.hint,
        "enabled": key.enabled,
        "requestsPerSecond": key.limits.requests_per_second,
        "messagesPerDay": key.limits.messages_per_day,
        "messagesWaiting": key.limits.waiting,
        "waiting": key.waiting,
    }


def plain(secret: Secret) -> str:
    """Over HTTP a secret is text: a caller must not read our environment and files."""
    if isinstance(secret, str):
        return secret
    raise DocumentError("a secret must be given as text here, and contents as JSON")


async def account_of(conn: Connection, request: Request) -> AccountListed:
    """The account in the path. Raises: Refused 404."""
    if any("\0" in text for text in request.path_params.values()):
        raise Refused(404)
    found = await list_accounts(conn, request.path_params["name"])
    if not found:
        raise Refused(404)
    return found[0]


def _key_id(request: Request) -> int:
    id_ = whole(request.path_params["key_id"])
    if id_ is None:
        raise Refused(404)
    return id_


def whole(text: str | None) -> int | None:
    """A whole number of at most 18 digits; None for anything else."""
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= 18):
        return None
    return int(text)


def decoded(body: bytes, shape: type[T]) -> T:
    """A JSON body of this shape. Raises: Refused 400."""
    if b"\\u0000" in body:  # the database holds no such text
        raise Refused(400, [Violation("$", "must hold no NUL")])
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, [Violation("$", str(error))]) from error


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def answer_json(answer: object, status: int = 200) -> Response:
    """An answer that nobody keeps."""
    headers = {"Cache-Control": "no-store"}
    return Response(
        msgspec.json.encode(answer), status, headers=headers, media_type="application/json"
    )
