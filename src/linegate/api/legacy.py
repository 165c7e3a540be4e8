"""Errors in the envelope of the API's older endpoints: `{"requestError": {...}}`.

Source: published examples of the session endpoints (FACTS B2.1).
"""

from collections.abc import Mapping

import msgspec
from starlette.responses import Response

__all__ = ["legacy_problem"]

_IDS = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    429: "TOO_MANY_REQUESTS",
}


def legacy_problem(
    status: int,
    text: str,
    *,
    headers: Mapping[str, str] | None = None,
    **more: str,
) -> Response:
    """The answer for a status from 400 on; `more` are members besides the envelope."""
    exception = {"messageId": _IDS.get(status, "GENERAL_ERROR"), "text": text}
    body = {"requestError": {"serviceException": exception}, **more}
    return Response(
        msgspec.json.encode(body), status, headers=headers, media_type="application/json"
    )
