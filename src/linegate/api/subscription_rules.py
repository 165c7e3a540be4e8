"""What can be wrong with a subscription, profile or security settings beyond their schema.

Everything that is wrong is told, by the place in the request. Pure: no I/O, no clock.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from linegate.api.schemas_subscriptions import ProfileBody, SecurityBody, SubscriptionBody
from linegate.domain.violation import Violation
from linegate.webhook.acceptance import pattern_problem
from linegate.webhook.security import HMAC_ALGORITHMS, SIGNATURE_HEADER, TIMESTAMP_HEADER

__all__ = [
    "EVENTS",
    "MASK",
    "UrlRule",
    "masked",
    "profile_problems",
    "security_problems",
    "subscription_problems",
    "unmasked",
]

UrlRule = Callable[[str], str | None]
"""Why a URL will never be called; None if it may be."""

MASK = "********"
"""What is shown of a secret; given back in an update, the secret stays as it was."""

EVENTS = ("DELIVERY", "INBOUND_MESSAGE")
"""What can be subscribed to; other channels' events are ignored beside them."""

_SECRETS = ("password", "secretKey", "clientSecret", "refreshToken")
_CONTENT_TYPES = ("application/json", "application/xml")
_GRANTS = ("client_credentials", "password", "refresh_token")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_TEXT = re.compile(r"[\x20-\x7e]{0,4000}")
_HEADERS_AT_MOST = 50
_OURS = {
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    SIGNATURE_HEADER.lower(),
    TIMESTAMP_HEADER.lower(),
}


def subscription_problems(body: SubscriptionBody) -> list[Violation]:
    """What is wrong with a subscription itself; its profile has its own rules."""
    found = []
    if not any(event in EVENTS for event in body.events):
        found.append(Violation("events", f"must have one of {', '.join(EVENTS)}"))
    if body.users:
        found.append(Violation("users", "are not matched yet: leave them out"))
    for at, criterion in enumerate(body.criteria or ()):
        path = f"criteria[{at}]"
        if criterion.calls_configuration_id:
            found.append(Violation(f"{path}.callsConfigurationId", "is not for channel LINE"))
        elif not criterion.application_id and not criterion.entity_id:
            found.append(Violation(path, "must have an applicationId or entityId"))
    return found


def profile_problems(body: ProfileBody, url_rule: UrlRule, path: str = "") -> list[Violation]:
    """What is wrong with a whole profile."""
    found: list[Violation] = []
    if body.webhook is None:
        found.append(Violation(f"{path}webhook", "must be given"))
    else:
        problem = url_rule(body.webhook.notify_url)
        if problem is not None:
            found.append(Violation(f"{path}webhook.notifyUrl", problem))
        if body.webhook.content_type and body.webhook.content_type not in _CONTENT_TYPES:
            reason = f"must be {' or '.join(_CONTENT_TYPES)}"
            found.append(Violation(f"{path}webhook.contentType", reason))
    for name, pattern in (
        ("responseRegex", body.response_regex),
        ("responseBodyRegex", body.response_body_regex),
    ):
        problem = pattern_problem(pattern) if pattern else None
        if problem is not None:
            found.append(Violation(path + name, problem))
    found += _header_problems(body.headers or {}, f"{path}headers")
    return found


def security_problems(body: SecurityBody, url_rule: UrlRule, path: str = "") -> list[Violation]:
    """What is wrong with whole security settings."""
    if body.type is None:
        return [Violation(f"{path}type", "must be given")]
    credentials = body.credentials or {}
    at = f"{path}credentials"
    found = [
        Violation(f"{at}.{name}", "must be a text of at most 255 characters")
        for name, value in credentials.items()
        if name != "headers" and (not isinstance(value, str) or len(value) > 255)
    ]
    if found:
        return found
    required = {
        "BASIC": ("username", "password"),
        "HMAC": ("secretKey", "algorithm"),
        "OAUTH": ("tokenUrl", "grantType"),
        "CUSTOM": (),
    }[body.type]
    found = [
        Violation(f"{at}.{name}", "must be given") for name in required if not credentials.get(name)
    ]
    if found:
        return found
    if body.type == "BASIC" and ":" in credentials["username"]:
        found.append(Violation(f"{at}.username", "must not hold a colon"))
    if body.type == "HMAC" and credentials["algorithm"] not in HMAC_ALGORITHMS:
        reason = f"must be one of {', '.join(HMAC_ALGORITHMS)}"
        found.append(Violation(f"{at}.algorithm", reason))
    if body.type == "OAUTH":
        problem = url_rule(credentials["tokenUrl"])
        if problem is not None:
            found.append(Violation(f"{at}.tokenUrl", problem))
        if credentials["grantType"].strip() not in _GRANTS:
            found.append(Violation(f"{at}.grantType", f"must be one of {', '.join(_GRANTS)}"))
    return found + _header_problems(credentials.get("headers") or {}, f"{at}.headers")


def masked(credentials: Mapping[str, Any]) -> dict[str, Any]:
    """Credentials as they are shown: no secret, no header's value."""
    shown = {name: MASK if name in _SECRETS else value for name, value in credentials.items()}
    if credentials.get("headers"):
        shown["headers"] = dict.fromkeys(credentials["headers"], MASK)
    return shown


def unmasked(given: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Credentials or headers of an update, with what was shown as MASK as it was."""
    kept: dict[str, Any] = {}
    for name, value in given.items():
        if isinstance(value, dict):
            before = stored.get(name)
            kept[name] = unmasked(value, before if isinstance(before, dict) else {})
        else:
            kept[name] = stored.get(name, value) if value == MASK else value
    return kept


def _header_problems(headers: object, path: str) -> list[Violation]:
    if not isinstance(headers, dict) or len(headers) > _HEADERS_AT_MOST:
        return [Violation(path, f"must be at most {_HEADERS_AT_MOST} names with their texts")]
    found = []
    for name, text in headers.items():
        if not _TOKEN.fullmatch(name):
            found.append(Violation(path, f"has a name that is none of a header: {name[:40]!r}"))
        elif name.lower() in _OURS:
            found.append(Violation(f"{path}.{name}", "is set by linegate alone"))
        elif not isinstance(text, str) or not _TEXT.fullmatch(text):
            found.append(Violation(f"{path}.{name}", "must be printable ASCII"))
    return found
