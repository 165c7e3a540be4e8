"""What the Subscriptions API's resources share: who asks, bodies, pages, sealed settings, errors.

These are older endpoints of the API: their errors come in the older envelope.

Source: published Subscriptions API (FACTS B5.3); its errors: ApiException.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from linegate.api.auth import Refused, authorise
from linegate.api.body import read_body
from linegate.api.directory import Directory
from linegate.api.subscription_rules import UrlRule
from linegate.clock import Clock
from linegate.domain.caller import Caller
from linegate.domain.keys import SUBSCRIPTIONS
from linegate.domain.violation import Violation
from linegate.postgres.pool import Connection, Pool
from linegate.postgres.subscriptions import Page, account_name
from linegate.shortcomings import shortcomings

__all__ = ["Notifying", "What", "answer", "created", "page_of", "paged"]

T = TypeVar("T")
What = Literal["webhook_profile", "webhook_security", "webhook_certificate"]

_BODY_LIMIT = 1024 * 1024
_SIZE = 20
_MOST = 100


@dataclass(frozen=True, slots=True)
class Notifying:
    """opened, sealed: open and seal a text of an account, by the account's name and what it is."""

    directory: Directory
    pool: Pool
    clock: Clock
    opened: Callable[[str, What, bytes], str]
    sealed: Callable[[str, What, str], bytes]
    url_rule: UrlRule

    async def caller(self, request: Request) -> Caller:
        """Who asks. Raises: Refused."""
        return await authorise(request, self.directory, SUBSCRIPTIONS, self.clock.now())

    async def read(self, request: Request, kind: type[T]) -> T:
        """The body. Raises: Refused with everything that is wrong with its shape."""
        body = await read_body(request, _BODY_LIMIT)
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.ValidationError as error:
            raise Refused(400, shortcomings(msgspec.json.decode(body), kind)) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(400, [Violation("body", "must be JSON")]) from error

    async def seal(self, conn: Connection, account_id: int, what: What, value: Any) -> bytes:
        """A JSON value, sealed for this account."""
        name = await account_name(conn, account_id)
        return self.sealed(name, what, msgspec.json.encode(value).decode())

    async def open(
        self, conn: Connection, account_id: int, what: What, sealed: bytes | None
    ) -> dict[str, Any]:
        """The object that was sealed for this account; empty for nothing."""
        if sealed is None:
            return {}
        name = await account_name(conn, account_id)
        return msgspec.json.decode(self.opened(name, what, sealed), type=dict[str, Any])


def answer(value: Any, status: int = 200) -> Response:
    """JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def created(request: Request, id_: str, value: Any) -> Response:
    """201, with where it can be read."""
    response = answer(value, 201)
    response.headers["Location"] = f"{request.url.path.rstrip('/')}/{id_}"
    return response


def page_of(request: Request) -> tuple[Page, int]:
    """Which rows a list wants, and the number of the page. Raises: Refused."""
    found: list[Violation] = []
    number = _whole(request, "page", 0, 0, 1_000_000, found)
    size = _whole(request, "size", _SIZE, 1, _MOST, found)
    if found:
        raise Refused(400, found)
    return Page(size, number * size), number


def paged(results: Sequence[Any], total: int, page: Page, number: int) -> Response:
    """One page of a list."""
    paging = {
        "page": number,
        "size": page.size,
        "totalPages": -(-total // page.size),
        "totalResults": total,
    }
    return answer({"results": results, "paging": paging})


def _whole(
    request: Request, name: str, default: int, least: int, most: int, found: list[Violation]
) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if text.isascii() and text.isdigit() and len(text) <= 7 and least <= int(text) <= most:
        return int(text)
    found.append(Violation(name, f"must be a whole number from {least} to {most}"))
    return default
