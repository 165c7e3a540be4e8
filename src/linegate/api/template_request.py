"""A template as it is registered: read, checked by the rules of every bubble, and rendered.

The bubble is checked as the content of a message would be, with marks where its placeholders are,
so that what LINE refuses in a message is refused here, in the same words.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from linegate.api.explain import MOST_VIOLATIONS, read_request
from linegate.api.schemas import LineRequest
from linegate.api.schemas_content import LineNotification
from linegate.domain.violation import Violation
from linegate.line.flex import render_bubble
from linegate.line.placeholders import Marks
from linegate.postgres.templates import Wording

__all__ = ["TemplateRequest", "read_template", "read_wording"]

_CONTENT = "messages[0].content."
_LARGEST = 64 * 1024  # bytes of a bubble as the client writes it; LINE takes 30 KB of its own
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_CONTROL = re.compile(r"[\x00-\x1f]")


@dataclass(frozen=True, slots=True)
class TemplateRequest:
    """A template that breaks no rule.

    sender, name: None where the request gives none, which only a change may.
    language:     None if not given; "" for none.
    """

    sender: str | None
    name: str | None
    language: str | None
    says: Wording


def read_template(
    body: bytes, now: datetime, *, is_change: bool = False
) -> TemplateRequest | list[Violation]:
    """A template, or everything that is wrong with it (never empty).

    is_change: sender and name may be absent.
    """
    tree = _parsed(body)
    if not isinstance(tree, dict):
        return [Violation("$", "must be a JSON object")] if tree is not None else _unread(body, now)
    found: list[Violation] = []
    sender = _text(tree, "sender", found, required=not is_change)
    name = _text(tree, "name", found, required=not is_change)
    language = tree.get("language")
    if language is not None and not _is_language(language):
        found.append(Violation("language", "must be a language tag of at most 35 characters"))
        language = None
    form = _form(tree, now, found)
    if form is None or found:
        return found[:MOST_VIOLATIONS]
    contents = msgspec.json.encode(tree["contents"]).decode()
    return TemplateRequest(sender, name, language, Wording(tree["altText"], contents, form))


def read_wording(body: bytes, now: datetime) -> Wording | list[Violation]:
    """What a template says, or everything that is wrong with it (never empty)."""
    read = read_template(body, now)
    return read.says if isinstance(read, TemplateRequest) else read


def _parsed(body: bytes) -> Any:
    """The JSON value; None if there is none."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _unread(body: bytes, now: datetime) -> list[Violation]:
    found = read_request(body, now)
    return found if isinstance(found, list) else []


def _text(tree: dict[str, Any], name: str, found: list[Violation], *, required: bool) -> str | None:
    value = tree.get(name)
    if value is None:
        if required:
            found.append(Violation(name, "is required"))
        return None
    if not isinstance(value, str) or not 1 <= len(value) <= 255 or _CONTROL.search(value):
        reason = "must be a text of 1 to 255 characters without control characters"
        found.append(Violation(name, reason))
        return None
    return value


def _is_language(value: object) -> bool:
    if value == "":
        return True
    return isinstance(value, str) and len(value) <= 35 and bool(_LANGUAGE.fullmatch(value))


def _form(tree: dict[str, Any], now: datetime, found: list[Violation]) -> str | None:
    """The rendered form, or None with what is wrong with altText and contents."""
    marks = Marks()
    given = {name: tree[name] for name in ("altText", "contents") if name in tree}
    if len(msgspec.json.encode(given)) > _LARGEST:
        found.append(Violation("contents", f"must be at most {_LARGEST} bytes of JSON"))
        return None
    content = {**marks.mark(given, ""), "type": "LINE_NOTIFICATION"}
    found += marks.violations
    message = {"sender": "-", "destinations": [{"to": "-"}], "content": content}
    read = read_request(msgspec.json.encode({"messages": [message]}), now)
    if isinstance(read, LineRequest):
        asked = read.messages[0].content
        if isinstance(asked, LineNotification):
            return marks.unmark(render_bubble(asked).decode())
        raise TypeError("a notification was read as something else")
    found += [_moved(violation) for violation in read]
    return None


def _moved(violation: Violation) -> Violation:
    """A violation of the message, told of the template."""
    return Violation(violation.property.removeprefix(_CONTENT), violation.violation)
