"""What a search for messages asks for, and words about what of it could not be understood."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from linegate.console.visit import Form
from linegate.domain.ids import public_id, read_public_id, within_ids
from linegate.domain.phone import normalise
from linegate.domain.wiretime import parse_instant
from linegate.postgres.log_ways import Place
from linegate.report.logbook import Asked

__all__ = ["GROUPS", "Search", "read_search", "written"]

GROUPS = ("DELIVERED", "PENDING", "UNDELIVERABLE", "EXPIRED", "REJECTED")


@dataclass(frozen=True, slots=True)
class Search:
    """A search.

    is_narrow: by a number, an id or a bulk: those are looked up, and neither ended nor leg counts.
    unread:    what keeps it from being done, each a sentence; hints: what to know of what it finds.
    """

    asked: Asked
    is_narrow: bool
    unread: tuple[str, ...]
    hints: tuple[str, ...]


def read_search(query: Form, *, limit: int, reach: timedelta, now: datetime) -> Search:
    """The search that an address asks for; reach: how far back any goes."""
    number = unicodedata.normalize("NFKC", query.text("number"))
    asked = Asked(
        limit=limit,
        sender=query.text("sender") or None,
        destination=(normalise(number) or number) if number else None,
        bulk_ids=[query.text("bulk")] if query.text("bulk") else None,
        message_ids=[query.text("message")] if query.text("message") else None,
        status_group=query.text("group").upper() or None,
        since=_instant(query.text("since")),
        until=_instant(query.text("until")),
        entity_id=query.text("entity") or None,
        application_id=query.text("application") or None,
        campaigns=[query.text("campaign")] if query.text("campaign") else None,
        before=_read(query.text("after")),
    )
    is_narrow = bool(asked.destination or asked.message_ids or asked.bulk_ids)
    by_sms, by_end = query.text("leg") == "SMS", query.text("by") == "end"
    if not is_narrow:
        asked = replace(asked, by_end=by_sms or by_end, by_sms=by_sms)
    hints = list(_hints(asked, number, reach, now))
    if is_narrow and (by_sms or by_end):
        hints.append("Beside a number, an id or a bulk, only the time of hand-over is looked at.")
    return Search(asked, is_narrow, tuple(_unread(query, asked)), tuple(hints))


def written(place: Place) -> str:
    """A place in the list, as `after` brings it back."""
    return f"{place[0].timestamp():.6f}~{public_id(place[1])}"


def _unread(query: Form, asked: Asked) -> Iterator[str]:
    for name, word, at in (("since", "From", asked.since), ("until", "Until", asked.until)):
        if query.text(name) and at is None:
            yield f"{word}: “{query.text(name)}” is no time such as 2026-01-31T09:00."
    if asked.since and asked.until and asked.until < asked.since:
        yield "The time ends before it begins."
    if asked.status_group not in (None, *GROUPS):
        yield f"Status: “{query.text('group')}” is none of {', '.join(GROUPS)}."


def _hints(asked: Asked, number: str, reach: timedelta, now: datetime) -> Iterator[str]:
    if number and normalise(number) is None:
        yield f"“{number}” is no number with its country code, such as +81 90 1000 0001."
    if asked.since is not None and asked.since < now - reach:
        yield f"A search goes back {reach.days} days."


def _read(text: str) -> Place | None:
    at, _, name = text.partition("~")
    id_ = read_public_id(name)
    try:
        return None if id_ is None else (within_ids(datetime.fromtimestamp(float(at), UTC)), id_)
    except (ValueError, OverflowError, OSError):
        return None


def _instant(text: str) -> datetime | None:
    """An instant as a browser's field gives it (UTC), or with an offset."""
    if len(text) in (16, 19):
        text += ("" if len(text) == 19 else ":00") + "Z"
    at = parse_instant(text) if text else None
    return None if at is None else within_ids(at)
