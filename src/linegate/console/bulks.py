"""Bulks: how far each is, how it will go on, and words to it."""

from collections import Counter
from datetime import datetime, timedelta
from urllib.parse import quote

from starlette.responses import Response

from linegate.console.answers import back, missing, refused
from linegate.console.charts import OUTCOMES, course, share_bar
from linegate.console.pages import page
from linegate.console.visit import Visit, whole
from linegate.domain.ids import public_id, read_public_id
from linegate.domain.pace import Unit, pace_of
from linegate.domain.status import STATUSES
from linegate.domain.steering import MOVES, BulkStatus
from linegate.domain.wiretime import parse_instant
from linegate.postgres.audit import acting
from linegate.postgres.console import fates_of_bulk
from linegate.postgres.console_setup import STRAIGHT_LOOKED_AT, StraightBulk, straight_bulks
from linegate.postgres.pool import Pool
from linegate.postgres.reporting import find_client_id
from linegate.postgres.steering import find_bulk
from linegate.shape.steering import (
    BulkView,
    Change,
    NotAllowed,
    Steering,
    give_status,
    view_bulk,
)

__all__ = ["Bulks"]

_PAGE = 30
_AHEAD = timedelta(days=180)
_UNITS: tuple[Unit, ...] = ("MINUTE", "HOUR", "DAY")
_WORDS = {"pause": BulkStatus.PAUSED, "cancel": BulkStatus.CANCELED}


class Bulks:
    """Shows and steers bulks."""

    def __init__(self, pool: Pool) -> None:
        """Steer over `pool`."""
        self._pool = pool
        self._steering = Steering(pool)

    async def newest(self, visit: Visit) -> Response:
        """The newest bulks that were scheduled, imported, large or steered, then the others."""
        found: list[tuple[int, BulkView]] = []
        before = visit.query.text("before") or None
        for account_id in visit.viewer.account_ids:
            views = await self._steering.page(account_id, before=before, limit=_PAGE, now=visit.now)
            found += [(account_id, view) for view in views]
        found.sort(key=lambda each: each[1].accepted_at, reverse=True)
        straight: list[StraightBulk] = []
        if before is None:
            async with self._pool.acquire() as conn:
                straight = await straight_bulks(conn, visit.viewer.account_ids, limit=_PAGE)
        return page(
            visit,
            "bulks.html",
            found=found[:_PAGE],
            straight=straight,
            looked_at=STRAIGHT_LOOKED_AT,
            bars={view.id: _progress(view) for _, view in found[:_PAGE]},
            is_more=len(found) >= _PAGE and visit.viewer.account_id is not None,
        )

    async def show(self, visit: Visit) -> Response:
        """One bulk."""
        return await self._answer(visit, "bulk.html")

    async def show_live(self, visit: Visit) -> Response:
        """What of one bulk is fetched again and again."""
        return await self._answer(visit, "_bulk.html")

    async def steer(self, visit: Visit) -> Response:
        """Pause, resume or cancel."""
        account_id, name = _named(visit)
        word = visit.form.text("word")
        if account_id is None:
            return missing(visit, "bulk")
        if word not in (*_WORDS, "resume"):
            return refused(visit, "A bulk is told pause, resume or cancel.")
        async with acting(self._pool, visit.actor) as conn:
            before = await view_bulk(conn, account_id, name, visit.now)
            if before is None:
                return missing(visit, "bulk")
            wanted = _WORDS.get(word) or _going(before, visit.now)
            after = await give_status(conn, account_id, name, wanted, visit.by)
        if after is None:
            return missing(visit, "bulk")
        path = _path(account_id, name)
        if isinstance(after, NotAllowed):
            return refused(visit, f"The {after.property} {after.reason}.")
        return back(visit, path, f"The bulk is now {after.value.lower()}.")

    async def change(self, visit: Visit) -> Response:
        """Another time or pace."""
        account_id, name = _named(visit)
        if account_id is None:
            return missing(visit, "bulk")
        path = _path(account_id, name)
        asked = _asked(visit)
        if isinstance(asked, str):
            return refused(visit, f"{asked[0].upper()}{asked[1:]}.")
        after = await self._steering.change(account_id, name, asked, visit.by)
        if after is None:
            return missing(visit, "bulk")
        if isinstance(after, NotAllowed):
            return refused(visit, f"The {after.property} {after.reason}.")
        return back(visit, path, "The bulk was changed.")

    async def _answer(self, visit: Visit, template: str) -> Response:
        account_id, name = _named(visit)
        if account_id is None:
            return missing(visit, "bulk")
        view = await self._steering.show(account_id, name, visit.now)
        if view is None:
            return missing(visit, "bulk")
        fates = await self._fates(account_id, name)
        return page(
            visit,
            template,
            view=view,
            account_id=account_id,
            path=_path(account_id, public_id(view.id)),
            progress=_progress(view),
            course=course(
                start=view.send_at,
                now=visit.now,
                end=view.ends_at,
                done=view.messages - view.waiting - view.counts.due,
                total=view.messages,
            ),
            fates=fates,
            fate_bar=share_bar(fates, title="How messages ended"),
            moves={move.value for move in MOVES[view.status]},
            units=_UNITS,
        )

    async def _fates(self, account_id: int, name: str) -> dict[str, int]:
        """Messages that ended, by group."""
        async with self._pool.acquire() as conn:
            bulk_id = await find_client_id(conn, account_id, "bulk", name) or read_public_id(name)
            row = None if bulk_id is None else await find_bulk(conn, account_id, bulk_id)
            if row is None:
                return {}
            by_status = await fates_of_bulk(conn, row.id, row.last_id, messages=row.messages)
        by_group: Counter[str] = Counter()
        for status, count in by_status.items():
            by_group[STATUSES[status].group_name if status in STATUSES else "PENDING"] += count
        return {group: by_group[group] for group in OUTCOMES if by_group[group]}


def _named(visit: Visit) -> tuple[int | None, str]:
    """The account in the path, if it may be looked at, and the bulk's name."""
    text = visit.path["account_id"]
    account_id = whole(text)
    return (account_id if account_id in visit.viewer.accounts else None), visit.path["bulk_id"]


def _path(account_id: int, name: str) -> str:
    return f"/console/bulks/{account_id}/{quote(name, safe='')}"


def _going(view: BulkView, now: datetime) -> BulkStatus:
    """What "resume" means: it waits for its time, or goes on."""
    return BulkStatus.PENDING if view.send_at > now else BulkStatus.PROCESSING


def _asked(visit: Visit) -> Change | str:
    """The change, or why there is none."""
    form = visit.form
    send_at = None
    if form.text("send_at"):
        send_at = parse_instant(form.text("send_at") + ":00Z")
        if send_at is None:
            return "the time could not be read"
        if send_at - visit.now > _AHEAD:
            return f"the time must be at most {_AHEAD.days} days ahead"
    if form.text("no_pace"):
        return Change(send_at, no_pace=True)
    amount = form.text("amount")
    if amount:
        if not amount.isdecimal() or len(amount) > 9 or int(amount) < 1:
            return "the speed must be a whole number"
        unit: Unit = next((each for each in _UNITS if each == form.text("unit")), "MINUTE")
        return Change(send_at, pace_of(int(amount), unit))
    return Change(send_at) if send_at else "neither a time nor a speed was given"


def _progress(view: BulkView) -> object:
    return share_bar(
        {
            "DELIVERED": view.ended,
            "PENDING": sum(view.counts),
            "waiting": view.waiting,
        },
        title=f"{view.ended} of {view.messages} ended",
    )
