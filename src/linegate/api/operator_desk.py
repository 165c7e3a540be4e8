"""What the operator's resources share: who asks, bodies, one transaction, answers."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from linegate.admin.desired import DocumentError, Secret
from linegate.admin.notes import Hands, Notes, Place
from linegate.admin.reading import camel, read
from linegate.api.auth import Refused, authorise
from linegate.api.body import read_body
from linegate.api.directory import Directory
from linegate.api.passwords import hash_password
from linegate.api.template_request import read_wording
from linegate.clock import Clock
from linegate.domain.caller import Caller
from linegate.domain.keys import OPERATE, OPERATOR_READ
from linegate.domain.violation import Violation
from linegate.postgres.admin import AccountListed, list_accounts
from linegate.postgres.audit import acting
from linegate.postgres.pool import Connection, Pool
from linegate.vault import Vault

__all__ = ["Desk", "Nothing", "account_of", "answer_json", "plain", "refusal", "whole"]

Asked = TypeVar("Asked", bound=msgspec.Struct)
Answer = TypeVar("Answer")

_BODY_LIMIT = 4 * 1024 * 1024


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """A body that asks for nothing; none at all is as good."""


class Desk:
    """Where operators are answered: every change is one transaction under the caller's name."""

    def __init__(self, pool: Pool, directory: Directory, vault: Vault, clock: Clock) -> None:
        """Work over `pool`; secrets are sealed by `vault`."""
        self.pool = pool
        self.vault = vault
        self._directory = directory
        self._clock = clock

    async def reader(self, request: Request) -> None:
        """Let those pass who may look. Raises: Refused."""
        await authorise(request, self._directory, OPERATOR_READ, self._clock.now())

    async def operator(self, request: Request) -> tuple[Caller, datetime]:
        """Who asks, and when, if they may change things. Raises: Refused."""
        now = self._clock.now()
        return await authorise(request, self._directory, OPERATE, now), now

    async def body(self, request: Request, shape: type[Asked], named: str = "") -> Asked:
        """The body. Raises: Refused with everything that is wrong with it.

        named: the property that the path gives, as `id`.
        """
        text = await read_body(request, _BODY_LIMIT)
        if b"\\u0000" in text:  # the database holds no such text
            raise Refused(400, [Violation("$", "must hold no NUL")])
        try:
            tree = msgspec.json.decode(text or b"{}")
            if named and isinstance(tree, dict):
                tree[named] = request.path_params["id"]
            return read(tree, shape)
        except DocumentError as error:
            raise refusal(error) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(400, [Violation("$", "must be JSON")]) from error

    def hands(self, caller: Caller) -> Hands:
        """What a change needs besides its wish."""
        return Hands(self.vault, plain, hash_password, read_wording, caller.name)

    async def look(
        self,
        request: Request,
        work: Callable[[Connection, AccountListed], Awaitable[object]],
    ) -> Response:
        """What `work` finds of the account in the path."""
        await self.reader(request)
        async with self.pool.acquire() as conn:
            return answer_json(await work(conn, await account_of(conn, request)))

    async def change(
        self,
        request: Request,
        shape: type[Asked],
        work: Callable[[Connection, Asked, Place], Awaitable[Answer]],
        named: str = "",
    ) -> tuple[Answer, Notes]:
        """One transaction on the account in the path: what it answers, and what it changed."""
        caller, now = await self.operator(request)
        asked = await self.body(request, shape, named)
        notes = Notes()
        try:
            async with acting(self.pool, caller.name) as conn:
                found = await account_of(conn, request)
                place = Place(found.id, found.name, notes, now, self.hands(caller))
                return await work(conn, asked, place), notes
        except DocumentError as error:
            raise refusal(error) from error

    async def put(
        self,
        request: Request,
        shape: type[Asked],
        work: Callable[[Connection, Asked, Place], Awaitable[object]],
        named: str = "name",
    ) -> Response:
        """What became of the thing that the path names: 201 if it is new."""
        _, notes = await self.change(request, shape, work, named)
        made = any(each.after == "created" for each in notes.changes)
        fields = sorted(camel(each.field) for each in notes.changes if each.field)
        return answer_json({"created": made, "changed": fields}, 201 if made else 200)

    async def remove(
        self, request: Request, work: Callable[[Connection, Place], Awaitable[bool]]
    ) -> Response:
        """204 if there was such a thing and it is gone."""

        async def removed(conn: Connection, _: Nothing, place: Place) -> None:
            if not await work(conn, place):
                raise Refused(404)

        await self.change(request, Nothing, removed)
        return Response(status_code=204)


def refusal(error: DocumentError) -> Refused:
    """400 with everything that is wrong."""
    return Refused(400, list(error.violations) or [Violation("$", str(error))])


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


def whole(text: str | None) -> int | None:
    """A whole number of at most 18 digits; None for anything else."""
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= 18):
        return None
    return int(text)


def answer_json(answer: object, status: int = 200) -> Response:
    """An answer that nobody keeps."""
    headers = {"Cache-Control": "no-store"}
    return Response(
        msgspec.json.encode(answer), status, headers=headers, media_type="application/json"
    )
