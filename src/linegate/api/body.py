"""Reads a request's body, bounded."""

from starlette.requests import Request

from linegate.api.auth import Refused
from linegate.domain.violation import Violation

__all__ = ["media_type_of", "read_body", "read_bounded"]


async def read_body(request: Request, limit: int) -> bytes:
    """The body, at most `limit` bytes.

    Raises: Refused 413 for a longer one (never kept, and read no further than twice the limit) and
            415 for a media type that is not JSON or a compressed body. No media type at all
            counts as JSON.
    """
    media_type = media_type_of(request)
    if media_type and media_type != "application/json" and not media_type.endswith("+json"):
        raise Refused(415)
    return await read_bounded(request, limit)


async def read_bounded(request: Request, limit: int) -> bytes:
    """The body of any media type. Raises: Refused 413 and, for a compressed one, 415."""
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        reason = "the body must not be compressed"
        raise Refused(415, [Violation("$", reason)], {"Accept-Encoding": "identity"})
    announced = request.headers.get("content-length", "")
    body = bytearray()
    length = 0
    too_long = announced.isdigit() and int(announced) > limit
    async for part in request.stream():
        length += len(part)
        if length > 2 * limit:
            raise _too_long(limit)
        if not too_long:
            body += part
        if length > limit:
            # What comes is passed over for a while: closing on it would reset the connection, and
            # the client might never read why.
            too_long = True
            body.clear()
    if too_long:
        raise _too_long(limit)
    return bytes(body)


def media_type_of(request: Request) -> str:
    """The media type without parameters, in lower case; "" if there is none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _too_long(limit: int) -> Refused:
    reason = f"the body must not be longer than {limit} bytes"
    return Refused(413, [Violation("$", reason)], {"Connection": "close"})
