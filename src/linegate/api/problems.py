"""Errors as the client sees them: one table, one shape, JSON or XML by `Accept`.

Statuses the API publishes carry its wording, for clients that compare it; the
rest follow the same pattern.

Source: docs/reference/content.md (ApiError).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from linegate.domain.violation import Violation
from linegate.webhook.body import xml_text

__all__ = ["accepts_xml", "on_http_exception", "on_unexpected", "problem"]


@dataclass(frozen=True, slots=True)
class _Problem:
    """What one status says; `resources` are pairs of name and URL."""

    code: str
    description: str
    action: str
    resources: tuple[tuple[str, str], ...] = ()


_ESSENTIALS = "https://www.infobip.com/docs/essentials"

_PROBLEMS = {
    400: _Problem(
        "E400",
        "Request cannot be processed.",
        "Check the syntax, violations and adjust the request.",
    ),
    401: _Problem(
        "E401",
        "The request lacks valid authentication credentials for the requested resource.",
        "Check the resources and adjust authentication credentials.",
        (("API Authentication", f"{_ESSENTIALS}/api-authentication"),),
    ),
    403: _Problem(
        "E403",
        "Insufficient permissions to access the requested resource.",
        "Repeat the request with new or different credentials.",
        (("API Scopes", f"{_ESSENTIALS}/api-essentials/api-authorization#api-scopes"),),
    ),
    404: _Problem(
        "E404",
        "The requested resource was not found.",
        "Check the path and the identifiers in the request.",
    ),
    405: _Problem(
        "E405",
        "The method is not supported by the requested resource.",
        "Repeat the request with a method from the Allow header.",
    ),
    409: _Problem(
        "E409",
        "The request conflicts with the state of the requested resource.",
        "Check the state of the resource, then repeat or adjust the request.",
    ),
    413: _Problem(
        "E413",
        "The request is too large.",
        "Split the request into smaller ones.",
    ),
    415: _Problem(
        "E415",
        "The media type of the request is not supported.",
        "Repeat the request with Content-Type: application/json.",
    ),
    422: _Problem(
        "E422",
        "The request cannot be processed as it stands.",
        "Check the violations and adjust the request.",
    ),
    429: _Problem(
        "E429",
        "Too many requests sent.",
        "Check request rate limit specified in the API endpoint documentation resource.",
        (
            (
                "Throttling handling errors",
                f"{_ESSENTIALS}/integration-best-practices#throttling-handling-errors",
            ),
        ),
    ),
    500: _Problem("E500", "Something went wrong.", "Contact the support."),
    503: _Problem(
        "E503",
        "The service is temporarily unavailable.",
        "Repeat the request later, with the same Idempotency-Key or bulkId.",
    ),
}

_XML_TYPES = ("application/xml", "text/xml")
_JSON_TYPES = ("application/json",)


def problem(
    status: int,
    accept: str | None = None,
    violations: Iterable[Violation] = (),
    *,
    skippable: Iterable[Violation] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer for a status from 400 on.

    accept:     the request's `Accept` header, or None if it sent none.
    violations: what the client must change, in order.
    skippable:  what it need not change; None: the answer does not tell of that.
    headers:    such as `Retry-After`, `Allow` or `WWW-Authenticate`.
    """
    known = _PROBLEMS.get(status) or _unlisted(status)
    lists = {"violations": list(violations)}
    if skippable is not None:
        lists["skippableViolations"] = list(skippable)
    if accepts_xml(accept):
        body, media_type = _as_xml(known, lists), "application/xml"
    else:
        body, media_type = _as_json(known, lists), "application/json"
    sent = {"Vary": "Accept", **(headers or {})}
    return Response(body, status, headers=sent, media_type=media_type)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Starlette's handler for `HTTPException`: unknown paths, methods, and what routes raise."""
    if not isinstance(error, HTTPException):
        raise error
    return problem(
        error.status_code, request.headers.get("accept"), headers=dict(error.headers or {})
    )


async def on_unexpected(request: Request, error: Exception) -> Response:
    """Starlette's handler for `Exception`: says nothing of the cause, which the log has."""
    return problem(500, request.headers.get("accept"))


def accepts_xml(accept: str | None) -> bool:
    """True if the client would rather have XML than JSON; JSON wins a draw.

    accept: an `Accept` header with q-values, or None.
    Source: RFC 9110, section 12.5.1 (the most specific range that matches gives the q-value).
    """
    if accept is None or "xml" not in accept.lower():
        return False
    ranges = _ranges(accept)
    wants_xml = max(_quality(media_type, ranges) for media_type in _XML_TYPES)
    return wants_xml > max(_quality(media_type, ranges) for media_type in _JSON_TYPES)


def _unlisted(status: int) -> _Problem:
    """A status that is not in the table, worded as its class."""
    return replace(_PROBLEMS[400 if status < 500 else 500], code=f"E{status}")


def _ranges(accept: str) -> dict[str, float]:
    """Media range -> q-value; a q-value that cannot be read counts as 1."""
    ranges: dict[str, float] = {}
    for part in accept.lower().split(","):
        media_range, *parameters = (piece.strip() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                quality = _number(value.strip())
        ranges[media_range] = quality
    return ranges


def _number(text: str) -> float:
    """A q-value between 0 and 1."""
    digits = text.replace(".", "", 1)
    return min(float(text), 1.0) if digits.isascii() and digits.isdigit() else 1.0


def _quality(media_type: str, ranges: dict[str, float]) -> float:
    """How much the client wants one media type, by its most specific range."""
    for media_range in (media_type, media_type.split("/", maxsplit=1)[0] + "/*", "*/*"):
        if media_range in ranges:
            return ranges[media_range]
    return 0.0


def _as_json(known: _Problem, lists: Mapping[str, list[Violation]]) -> bytes:
    return msgspec.json.encode(
        {
            "errorCode": known.code,
            "description": known.description,
            "action": known.action,
            **lists,
            "resources": [{"name": name, "url": url} for name, url in known.resources],
        }
    )


def _as_xml(known: _Problem, lists: Mapping[str, list[Violation]]) -> bytes:
    """The published XML form; children of `violations` follow those of `resources`."""
    told = "".join(f"<{name}>{_told(listed)}</{name}>" for name, listed in lists.items())
    linked = "".join(
        f"<resource><name>{xml_text(name)}</name><url>{xml_text(url)}</url></resource>"
        for name, url in known.resources
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<ApiError><errorCode>{known.code}</errorCode>"
        f"<description>{xml_text(known.description)}</description>"
        f"<action>{xml_text(known.action)}</action>"
        f"{told}<resources>{linked}</resources></ApiError>"
    ).encode()


def _told(violations: list[Violation]) -> str:
    return "".join(
        f"<violation><property>{xml_text(each.property)}</property>"
        f"<violation>{xml_text(each.violation)}</violation></violation>"
        for each in violations
    )
