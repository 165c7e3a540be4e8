"""The header Idempotency-Key: a client's name for one request, so that it can repeat it safely."""

from starlette.requests import Request

from linegate.api.auth import Refused
from linegate.domain.violation import Violation
from linegate.postgres.idempotency import Asked

__all__ = ["IDEMPOTENCY_KEY", "read_key"]

IDEMPOTENCY_KEY = "Idempotency-Key"
_LONGEST = 255


def read_key(request: Request, account_id: int) -> Asked | None:
    """The request's key; None if it has none.

    Raises: Refused 400 for more than one, or one that is not 1 to 255 printable ASCII characters.
    """
    given = request.headers.getlist(IDEMPOTENCY_KEY)
    if not given:
        return None
    key = given[0].strip()
    if len(given) > 1 or not 1 <= len(key) <= _LONGEST or not (key.isascii() and key.isprintable()):
        reason = f"must be one value of 1 to {_LONGEST} printable ASCII characters"
        raise Refused(400, [Violation(IDEMPOTENCY_KEY, reason)])
    return Asked(account_id, key)
