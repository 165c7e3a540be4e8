"""/operator/1/accounts/{name}/keys and /users: who may ask for an account (ours)."""

from datetime import timedelta

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from linegate.admin.callers import (
    SHORTEST_PASSWORD,
    Made,
    change_key,
    create_key,
    make_key,
    put_user,
)
from linegate.admin.desired import DocumentError, KeySettings, User
from linegate.admin.notes import Place
from linegate.admin.removal import drop_key, drop_user
from linegate.api.auth import Refused
from linegate.api.operator_desk import Desk, answer_json, whole
from linegate.api.operator_shown import shown_key
from linegate.postgres.admin import lock_key
from linegate.postgres.identities import KeyListed, list_keys, rotate_key, set_password
from linegate.postgres.pool import Connection

__all__ = ["OperatorAccess"]

_DAY = 86_400  # seconds


class _Rotation(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    grace_seconds: int = _DAY


class _Password(msgspec.Struct, forbid_unknown_fields=True):
    password: str


class OperatorAccess:
    """Answers operators about keys and users."""

    def __init__(self, desk: Desk) -> None:
        """Answer at `desk`."""
        self._desk = desk

    async def create_key(self, request: Request) -> Response:
        """POST .../keys: 201 with the key, which is shown this once."""
        made = make_key()

        async def work(conn: Connection, asked: KeySettings, place: Place) -> int:
            return await create_key(conn, made, asked, place)

        id_, _ = await self._desk.change(request, KeySettings, work)
        return answer_json({"id": id_, "key": made.key}, 201)

    async def change_key(self, request: Request) -> Response:
        """PATCH .../keys/{id}: its rules, limits, name, `enabled`; what is not named stays."""

        async def work(conn: Connection, asked: KeySettings, place: Place) -> KeyListed:
            if not await change_key(conn, _key_id(request), asked, place):
                raise Refused(404)
            keys = await list_keys(conn, place.account_id)
            return next(each for each in keys if each.id == _key_id(request))

        key, _ = await self._desk.change(request, KeySettings, work)
        return answer_json(shown_key(key))

    async def remove_key(self, request: Request) -> Response:
        """DELETE .../keys/{id}: 204; it never works again."""

        async def work(conn: Connection, place: Place) -> bool:
            key = await lock_key(conn, place.account_id, id_=_key_id(request))
            return key is not None and await drop_key(conn, key.id, key.name, place)

        return await self._desk.remove(request, work)

    async def rotate(self, request: Request) -> Response:
        """POST .../keys/{id}/rotate: 201 with a new key; the old one ends a while later."""
        made = make_key()

        async def work(conn: Connection, asked: _Rotation, place: Place) -> int:
            return await _rotated(conn, _key_id(request), made, asked, place)

        id_, _ = await self._desk.change(request, _Rotation, work)
        return answer_json({"id": id_, "key": made.key}, 201)

    async def put_user(self, request: Request) -> Response:
        """PUT .../users/{id}: create a user or change what it may do; what is not named stays."""
        return await self._desk.put(request, User, put_user)

    async def remove_user(self, request: Request) -> Response:
        """DELETE .../users/{id}: 204; its logins end."""

        async def work(conn: Connection, place: Place) -> bool:
            return await drop_user(conn, request.path_params["id"], place)

        return await self._desk.remove(request, work)

    async def set_password(self, request: Request) -> Response:
        """PUT .../users/{id}/password: another one; its logins end."""

        async def work(conn: Connection, asked: _Password, place: Place) -> None:
            if len(asked.password) < SHORTEST_PASSWORD:
                raise DocumentError(f"a password has at least {SHORTEST_PASSWORD} characters")
            hashed = place.hands.hash_password(asked.password)
            if not await set_password(conn, place.account_id, request.path_params["id"], hashed):
                raise Refused(404)

        await self._desk.change(request, _Password, work)
        return Response(status_code=204)


async def _rotated(
    conn: Connection, key_id: int, made: Made, asked: _Rotation, place: Place
) -> int:
    if not 0 <= asked.grace_seconds <= 366 * _DAY:
        raise DocumentError("graceSeconds must be from 0 to a year")
    id_ = await rotate_key(
        conn,
        place.account_id,
        key_id,
        digest=made.digest,
        hint=made.hint,
        ends_at=place.now + timedelta(seconds=asked.grace_seconds),
        now=place.now,
    )
    if id_ is None:
        raise Refused(404)
    return id_


def _key_id(request: Request) -> int:
    id_ = whole(request.path_params["key_id"])
    if id_ is None:
        raise Refused(404)
    return id_
