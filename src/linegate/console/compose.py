"""The composer: a bubble as it is typed, how the phone shows it, and what the rules say of it.

Also registered templates: listed, registered from here, approved and rejected.
"""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.responses import Response

from linegate.console.answers import back, missing, refused
from linegate.console.hands import Hands
from linegate.console.pages import page
from linegate.console.phone import draw_content, parse
from linegate.console.places import line_of, lines_of
from linegate.console.visit import Visit, whole
from linegate.domain.phone import normalise
from linegate.domain.violation import Violation
from linegate.postgres.audit import acting
from linegate.postgres.pool import Pool
from linegate.postgres.senders import list_senders
from linegate.postgres.templates import TemplateFilter, decide_template, list_templates

__all__ = ["FIRST_CONTENT", "ComposePages"]

_CONTENT = "messages[0].content"
_MOST = 60 * 1024
_LISTED = 200
FIRST_CONTENT: dict[str, Any] = {
    "type": "LINE_NOTIFICATION",
    "altText": "Your parcel is on its way",
    "contents": {
        "type": "BUBBLE",
        "header": {
            "layout": "VERTICAL",
            "backgroundColor": "#0B7A4B",
            "contents": [
                {"type": "TEXT", "text": "Parcel service", "color": "#FFFFFF", "weight": "BOLD"}
            ],
        },
        "body": {
            "layout": "VERTICAL",
            "spacing": "md",
            "contents": [
                {"type": "TEXT", "text": "Your parcel is on its way", "size": "xl", "wrap": True},
                {"type": "SEPARATOR"},
                {
                    "type": "BOX",
                    "layout": "HORIZONTAL",
                    "contents": [
                        {"type": "TEXT", "text": "Arrives", "color": "#8C8C8C", "flex": 2},
                        {"type": "TEXT", "text": "Friday, 14:00", "flex": 4},
                    ],
                },
            ],
        },
        "footer": {
            "layout": "VERTICAL",
            "contents": [
                {
                    "type": "BUTTON",
                    "style": "PRIMARY",
                    "height": "SMALL",
                    "action": {"type": "URI", "label": "Track it", "uri": "https://example.com"},
                }
            ],
        },
    },
}
"""What the editor begins with."""


class ComposePages:
    """Writes contents."""

    def __init__(self, pool: Pool, hands: Hands) -> None:
        """Read over `pool`; contents are judged and sent through `hands`."""
        self._pool = pool
        self._hands = hands

    async def compose(self, visit: Visit) -> Response:
        """The editor, with a first content or that of a template."""
        text = json.dumps(FIRST_CONTENT, indent=2, ensure_ascii=False)
        name = visit.query.text("template", 18)
        if (id_ := whole(name)) is not None:
            wanted = TemplateFilter(visit.viewer.acting_id, id=id_)
            async with self._pool.acquire() as conn:
                rows = await list_templates(conn, wanted, limit=1)
            if rows:
                tree = {
                    "type": "LINE_NOTIFICATION",
                    "altText": rows[0].alt_text,
                    "contents": parse(rows[0].contents.encode()),
                }
                text = json.dumps(tree, indent=2, ensure_ascii=False)
        async with self._pool.acquire() as conn:
            senders = await list_senders(conn, visit.viewer.acting_id)
        sender = next((each.name for each in senders if each.hold is None), "")
        sender = sender or (senders[0].name if senders else "")
        return page(
            visit,
            "compose.html",
            text=text,
            senders=senders,
            sender=sender,
            **(await self._judged(visit, text, sender)),
        )

    async def judge(self, visit: Visit) -> Response:
        """How the phone shows what was typed, and what is wrong with it."""
        text = visit.form.raw("content")
        judged = await self._judged(visit, text, visit.form.text("sender"))
        return page(visit, "_judged.html", **judged)

    async def send(self, visit: Visit) -> Response:
        """Send a test message to one number."""
        form = visit.form
        text, number = form.raw("content"), form.text("to")
        unsendable = _unreadable(text)
        if normalise(number) is None:
            unsendable.append(("Number", "must be a phone number with its country code"))
        if unsendable:
            return page(visit, "_sent.html", sent=None, violations=unsendable)
        body = _request(parse(text.encode()), form.text("sender"), number)
        sent = await self._hands.send(visit.viewer.acting_id, visit.actor, body)
        return page(
            visit, "_sent.html", sent=sent, violations=[_plain(each) for each in sent.violations]
        )

    async def register(self, visit: Visit) -> Response:
        """Register what was typed as a template, or change the one of that name."""
        form = visit.form
        unreadable = _unreadable(form.raw("content"))
        if unreadable:
            return page(visit, "_sent.html", sent=None, violations=unreadable)
        tree = parse(form.raw("content").encode())
        given = tree if isinstance(tree, dict) else {}
        asked = {
            "sender": form.text("sender"),
            "name": form.text("name"),
            "language": form.text("language"),
            **{key: given[key] for key in ("altText", "contents") if key in given},
        }
        found = await self._hands.register_template(
            visit.viewer.acting_id, visit.actor, msgspec.json.encode(asked)
        )
        if found:
            violations = [(each.property, each.violation) for each in found]
            return page(visit, "_sent.html", sent=None, violations=violations)
        return page(visit, "_registered.html", name=form.text("name"))

    async def templates(self, visit: Visit) -> Response:
        """Registered templates of the account that is acted for."""
        wanted = TemplateFilter(visit.viewer.acting_id)
        async with self._pool.acquire() as conn:
            rows = await list_templates(conn, wanted, limit=_LISTED)
        drawn = {
            row.id: draw_content(
                {"altText": row.alt_text, "contents": parse(row.contents.encode())}
            )
            for row in rows
        }
        return page(visit, "templates.html", rows=rows, drawn=drawn)

    async def decide(self, visit: Visit) -> Response:
        """Approve or reject what a template says now."""
        id_ = whole(visit.path["template_id"])
        if id_ is None:
            return missing(visit, "template")
        wanted = TemplateFilter(visit.viewer.acting_id, id=id_)
        approves = visit.form.text("word") == "approve"
        reason = visit.form.text("reason", 500) or None
        if not approves and reason is None:
            return refused(visit, "A rejection needs a reason: the account's users see it.")
        async with acting(self._pool, visit.actor) as conn:
            rows = await list_templates(conn, wanted, limit=1)
            if not rows:
                return missing(visit, "template")
            await decide_template(
                conn,
                rows[0].id,
                status="APPROVED" if approves else "REJECTED",
                reason=None if approves else reason,
                now=visit.now,
            )
        said = "approved" if approves else "rejected"
        return back(visit, "/console/templates", f"{rows[0].name} is {said}.")

    async def _judged(self, visit: Visit, text: str, sender: str) -> dict[str, Any]:
        """The values of the piece of the page that shows a content."""
        if len(text.encode()) > _MOST:
            found: Sequence[Violation] = [Violation("$", f"must be at most {_MOST} bytes")]
            told = [(*each, None) for each in _plain_all(found)]
            return {"drawn": "", "alt_text": "", "violations": told, "warnings": []}
        tree = parse(text.encode())
        alt_text, drawn = draw_content(tree)
        lines = lines_of(text)
        if tree is None:
            words, at = _where(text)
            violations, warnings = [("$", words)], []
            lines = {**lines, "$": at}
        else:
            body = _request(tree, sender, "819010000001")
            checked = await self._hands.check(visit.viewer.acting_id, body)
            violations = list(dict.fromkeys(_plain_all(checked.violations)))
            warnings = _plain_all(checked.warnings)
        return {
            "drawn": drawn,
            "alt_text": alt_text,
            "violations": [(*each, line_of(lines, each[0])) for each in violations],
            "warnings": [(*each, line_of(lines, each[0])) for each in warnings],
        }


def _request(content: Any, sender: str, number: str) -> bytes:
    message = {"sender": sender, "destinations": [{"to": number}], "content": content}
    return msgspec.json.encode({"messages": [message]})


def _plain_all(found: Sequence[Violation]) -> list[tuple[str, str]]:
    return [_plain(each) for each in found]


def _plain(violation: Violation) -> tuple[str, str]:
    """A violation of a request, told of its content."""
    name = violation.property.removeprefix(_CONTENT).removeprefix(".")
    return name.removeprefix("messages[0].") or "$", violation.violation


def _unreadable(text: str) -> list[tuple[str, str]]:
    """Why a content can be neither sent nor registered; nothing if it can be read."""
    return [("Content", _where(text)[0])] if parse(text.encode()) is None else []


def _where(text: str) -> tuple[str, int]:
    """What is wrong with a text that is no content, and in which line."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return f"is no JSON: {error}", error.lineno
    except (ValueError, RecursionError):
        return "is no JSON that could be read", 1
    return "must be an object", 1
