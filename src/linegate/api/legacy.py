"""Errors in the envelope of the API's older endpoints: `{"requestError": {...}}`.

Source: published examples of the session and the applications endpoints (FACTS B2.1, B5.1).
"""

from collections.abc import Iterable, Mapping

import msgspec
from starlette.responses import Response

from linegate.domain.violation import Violation

__all__ = ["is_legacy", "legacy_problem", "legacy_refusal"]

_LEGACY = ("/provisioning/", "/subscriptions/")

_IDS = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "CONFLICT",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    429: "TOO_MANY_REQUESTS",
    503: "SERVICE_UNAVAILABLE",
}
_TEXTS = {
    400: "Bad request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Request body is too large",
    415: "Media type is not supported",
    429: "Too many requests",
    500: "Something went wrong. Please contact support.",
    503: "Service is temporarily unavailable",
}


def is_legacy(path: str) -> bool:
    """Whether the errors of this path come in the older envelope."""
    return path.startswith(_LEGACY)


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


def legacy_refusal(
    status: int,
    violations: Iterable[Violation] = (),
    *,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer in the published words, with `validationErrors` by property."""
    text = _TEXTS.get(status) or _TEXTS[400 if status < 500 else 500]
    exception: dict[str, object] = {
        "messageId": _IDS.get(status, "GENERAL_ERROR"),
        "text": text,
    }
    told: dict[str, list[str]] = {}
    for each in violations:
        told.setdefault(each.property, []).append(each.violation)
    if told:
        exception["validationErrors"] = told
    body = msgspec.json.encode({"requestError": {"serviceException": exception}})
    return Response(body, status, headers=headers, media_type="application/json")
