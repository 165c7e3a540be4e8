"""Reads a request's body, bounded."""

from starlette.requests import Request

from linegate.api.auth import Refused
from linegate.domain.violation import Violation

__all__ = ["read_body"]


async def read_body(request: Request, limit: int) -> bytes:
    """The body, at most `limit` bytes.

    Raises: Refused 413 for a longer one (before it is read, where its length is announced) and
            415 for a media type that is not JSON. No media type at all counts as JSON.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type and media_type != "application/json" and not media_type.endswith("+json"):
        raise Refused(415)
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise _too_long(limit)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > limit:
            raise _too_long(limit)
    return bytes(body)


def _too_long(limit: int) -> Refused:
    reason = f"the body must not be longer than {limit} bytes"
    return Refused(413, [Violation("$", reason)], {"Connection": "close"})
