"""Who is asking: `Authorization: App KEY` to an account and its scopes."""

from datetime import datetime

from starlette.requests import Request

from linegate.api.directory import Directory
from linegate.domain.keys import digest_of
from linegate.domain.violation import Violation
from linegate.postgres.directory import Key

__all__ = ["Refused", "authorise"]

_SCHEME = "app "


class Refused(Exception):  # noqa: N818 - it is an answer, in the words of HTTP
    """The request is answered with this status and nothing is done."""

    def __init__(
        self,
        status: int,
        violations: list[Violation] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Answer `status` with what the client must change."""
        super().__init__(status)
        self.status = status
        self.violations = violations or []
        self.headers = headers or {}


async def authorise(
    request: Request, directory: Directory, scopes: frozenset[str], now: datetime
) -> Key:
    """The key the request came with, if it has one of `scopes`.

    Raises: Refused 401 without a good key, 403 without the scope or for a suspended account.
    """
    header = request.headers.get("authorization", "")
    if header[: len(_SCHEME)].lower() != _SCHEME:
        raise Refused(401, headers={"WWW-Authenticate": "App"})
    key = await directory.key(digest_of(header[len(_SCHEME) :].strip()), now)
    if key is None or not key.enabled or (key.expires_at is not None and key.expires_at <= now):
        raise Refused(401, headers={"WWW-Authenticate": "App"})
    if key.suspended_at is not None:
        raise Refused(403, [Violation("$", "the account is suspended")])
    if not key.scopes & scopes:
        needed = ", ".join(sorted(scopes))
        raise Refused(403, [Violation("$", f"the key needs one of these scopes: {needed}")])
    return key
