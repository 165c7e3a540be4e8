"""Who is asking, and whether they may: an Authorization header to a caller with a scope."""

from datetime import datetime

from starlette.requests import Request

from linegate.api.directory import Directory
from linegate.api.identities import Denied
from linegate.domain.caller import Caller, plain_address
from linegate.domain.violation import Violation

__all__ = ["CHALLENGE", "Refused", "address_of", "authorise"]

CHALLENGE = 'App, Basic realm="linegate", IBSSO, Bearer'
"""What a 401 asks for in `WWW-Authenticate`."""


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
) -> Caller:
    """Who the request comes from, if it has one of `scopes`.

    Raises: Refused 401 without good credentials, 403 without the scope, from an address that is
            not allowed or for a suspended account, 429 after too many wrong passwords or for
            more requests a second than the account or the key may make.
    """
    header = request.headers.get("authorization", "")
    caller = await directory.identities.identify(header, address_of(request), now)
    if isinstance(caller, Denied):
        raise _refused(caller)
    if not caller.scopes & scopes:
        needed = ", ".join(sorted(scopes))
        raise Refused(403, [Violation("$", f"the key needs one of these scopes: {needed}")])
    if wait := directory.rates.charge(caller, await directory.policy(caller.account_id, now), now):
        reason = "the account or its key may not make so many requests a second"
        raise Refused(429, [Violation("$", reason)], {"Retry-After": str(wait)})
    return caller


def address_of(request: Request) -> str | None:
    """The caller's address; behind a trusted proxy the one that it tells."""
    return plain_address(request.client.host if request.client else None)


def _refused(denied: Denied) -> Refused:
    if denied.status == 401:
        return Refused(401, headers={"WWW-Authenticate": CHALLENGE})
    if denied.status == 429:
        return Refused(429, headers={"Retry-After": str(denied.retry_after)})
    return Refused(denied.status, [Violation("$", denied.reason)])
