"""Messages: found by what is known of them, and one with everything that happened to it."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from starlette.responses import Response

from linegate.clock import Clock
from linegate.console.pages import page
from linegate.console.phone import draw_stored
from linegate.console.search import GROUPS, Search, read_search, written
from linegate.console.visit import Visit
from linegate.domain.ids import public_id, read_public_id
from linegate.domain.wiretime import format_instant, parse_instant
from linegate.postgres.console import account_of_message, sms_text_of, unfinished_messages
from linegate.postgres.logs import Logged, find_own_sender, load_logged
from linegate.postgres.pool import Pool
from linegate.postgres.posts import PostOfMessage, posts_of_message
from linegate.report.bodies import encode_reports
from linegate.report.logbook import Asked, Logbook
from linegate.report.timeline import timeline_of

__all__ = ["Messages"]

_PAGE = 50
_REACH = timedelta(days=30)
_TIMES = ("since", "until", "by", "leg")
_OTHERS = ("campaign", "entity", "application", *_TIMES)  # than what can be listed by its wait
_FIELDS = ("number", "message", "bulk", "campaign", "entity", "application", "sender")
_GOOD = {"ACCEPTED", "RELEASED", "DELIVERY_EVENT", "REPORT_PULLED", "REPORT_TAKEN"}
_BAD = {"REPORT_FAILED", "REPORT_GIVEN_UP"}


class Messages:
    """Shows messages of the accounts that the viewer looks at."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        """Read over `pool`."""
        self._pool = pool
        self._logbook = Logbook(pool, clock, reach=_REACH)

    async def search(self, visit: Visit) -> Response:
        """What matches, newest first."""
        query = visit.query
        search = read_search(query, limit=_PAGE, reach=_REACH, now=visit.now)
        asked = search.asked
        group = query.text("group").upper()
        waits = group == "PENDING" and not search.is_narrow and not any(map(query.text, _OTHERS))
        found: list[Logged] = []
        after = None
        if waits:
            found = await self._unfinished(visit, asked)
        elif not search.unread:
            found, after = await self._logbook.newest(visit.viewer.account_ids, asked)
        return page(
            visit,
            "messages.html",
            found=found,
            told=[*search.unread, *search.hints, *await self._unknown(visit, search, found)],
            after=written(after) if after else "",
            values={name: query.text(name) for name in (*_FIELDS, *_TIMES)},
            group=group,
            groups=GROUPS,
            by_end=asked.by_end,
            waits=waits,
            is_due=bool(query.text("due")),
            is_first_page=waits and len(found) == _PAGE,
            is_filtered=any(query.text(name) for name in (*_FIELDS, *_TIMES, "group")),
        )

    async def show(self, visit: Visit) -> Response:
        """One message: facts, time line, and how the phone shows it."""
        found = await self._find(visit, visit.path["message_id"])
        if found is None:
            return page(visit, "missing.html", status=404, what="message")
        account_id, name = found
        known = await self._logbook.message(account_id, name)
        if known is None:
            return page(visit, "missing.html", status=404, what="message")
        logged, history, content = known
        alt_text, drawn = draw_stored(content, logged.placeholders)
        async with self._pool.acquire() as conn:
            sms_text = await sms_text_of(conn, logged.message.id)
            posts = await posts_of_message(conn, logged.message.id)
        report = None
        if logged.message.done_at is not None:
            report = encode_reports([logged.message], "application/json").decode()
            report = json.dumps(json.loads(report), indent=2, ensure_ascii=False)
        raw = json.dumps(json.loads(content.line_message), indent=2, ensure_ascii=False)
        return page(
            visit,
            "message.html",
            logged=logged,
            message=logged.message,
            account=visit.viewer.accounts[account_id],
            timeline=_with_posts([_shown(entry) for entry in timeline_of(logged, history)], posts),
            sees_deliveries="/console/webhooks" in visit.paths,
            alt_text=alt_text,
            drawn=drawn,
            raw=raw,
            sms_text=sms_text,
            report=report,
        )

    async def _unknown(self, visit: Visit, search: Search, found: list[Logged]) -> list[str]:
        """Words about a name that nobody has, where that is why nothing was found."""
        name = search.asked.sender
        if found or name is None:
            return []
        async with self._pool.acquire() as conn:
            if await find_own_sender(conn, visit.viewer.account_ids, name):
                return []
        return [f"There is no sender named “{name}”."]

    async def _unfinished(self, visit: Visit, asked: Asked) -> list[Logged]:
        """What waits the longest; then, if there is room, what else has not ended."""
        due_by = visit.now if visit.query.text("due") else None
        async with self._pool.acquire() as conn:
            ids = await unfinished_messages(
                conn,
                visit.viewer.account_ids,
                sender=asked.sender,
                due_by=due_by,
                limit=_PAGE,
            )
            known = await load_logged(conn, ids)
        found = [known[id_] for id_ in ids if id_ in known]
        if asked.sender is not None and due_by is None and len(ids) < _PAGE:
            others, _ = await self._logbook.newest(visit.viewer.account_ids, asked)
            found += [each for each in others if each.message.id not in known]
        return found[:_PAGE]

    async def _find(self, visit: Visit, name: str) -> tuple[int, str] | None:
        """Whose a message is among those accounts that may be looked at."""
        id_ = read_public_id(name)
        if id_ is None:
            return None
        async with self._pool.acquire() as conn:
            account_id = await account_of_message(conn, id_)
        if account_id is None or account_id not in visit.viewer.accounts:
            return None
        return account_id, public_id(id_)


def _shown(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry of the time line: its words, its colour, and what is known besides."""
    event = entry["event"]
    rest = {
        key: _plain(key, value)
        for key, value in entry.items()
        if key not in ("at", "event", "errorId") and value is not None
    }
    if entry.get("errorId"):
        rest["errorId"] = entry["errorId"]
    at = parse_instant(entry["at"])
    return {"at": at, "event": event, "kind": _kind(entry), "rest": rest, "post": None}


def _plain(key: str, value: Any) -> Any:
    """A value of the time line as people read it."""
    if key.endswith("At"):
        return parse_instant(value)
    if key == "code" and not value:
        return "no answer came"
    if key in ("outcome", "report"):
        return value.replace("_", " ").lower()
    return value


def _with_posts(
    entries: list[dict[str, Any]], posts: Sequence[PostOfMessage]
) -> list[dict[str, Any]]:
    """Each try of a report with the request that it went out with."""
    by_try = {
        (
            parse_instant(format_instant(each.tried_at)),
            "final" if each.number == 0 else "intermediate",
        ): each
        for each in posts
    }
    for entry in entries:
        if entry["event"] in ("REPORT_TAKEN", "REPORT_FAILED"):
            entry["post"] = by_try.get((entry["at"], entry["rest"]["report"]))
    return entries


def _kind(entry: dict[str, Any]) -> str:
    event = entry["event"]
    if event == "ENDED":
        return "good" if entry["statusId"] in (2, 5) else "bad"
    if event == "ATTEMPT":
        return {"ACCEPTED": "good", "UNKNOWN": "wait"}.get(entry["outcome"], "bad")
    return "good" if event in _GOOD else "bad" if event in _BAD else "wait"
