"""GET /line/1/statistics: counts and cost of an account's messages (ours)."""

from datetime import date, datetime, timedelta

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from linegate.api.auth import Refused, authorise
from linegate.api.directory import Directory
from linegate.clock import Clock
from linegate.domain.caller import Caller
from linegate.domain.keys import LOGS
from linegate.domain.statistics import BY, Figures, Group, folded
from linegate.domain.violation import Violation
from linegate.postgres.pool import Pool
from linegate.postgres.statistics import Selection, sum_statistics

__all__ = ["Statistics", "shown_figures"]

_USUAL_DAYS = 30
_MOST_DAYS = 400
_MOST_ROWS = 50_000
_LONGEST = 255


class Statistics:
    """Tells what became of messages, in figures."""

    def __init__(self, pool: Pool, directory: Directory, clock: Clock) -> None:
        """Count over `pool`."""
        self._pool = pool
        self._directory = directory
        self._clock = clock

    async def __call__(self, request: Request) -> Response:
        """Answer `{"from", "to", "results": [...]}`; docs/reference/statistics.md."""
        now = self._clock.now()
        caller = await authorise(request, self._directory, LOGS, now)
        violations: list[Violation] = []
        asked = _selection(request, caller, now, violations)
        by = _groups(request.query_params.get("groupBy"), violations)
        if violations:
            raise Refused(400, violations)
        async with self._pool.acquire() as conn:
            rows = await sum_statistics(conn, caller.account_id, asked, by, limit=_MOST_ROWS + 1)
        if len(rows) > _MOST_ROWS:
            reason = f"would give more than {_MOST_ROWS} rows: ask for less at once"
            raise Refused(400, [Violation("groupBy", reason)])
        results = [shown_figures(group, figures) for group, figures in folded(rows).items()]
        answer = {"from": asked.since, "to": asked.until, "results": results}
        return Response(msgspec.json.encode(answer), media_type="application/json")


def shown_figures(group: Group, figures: Figures) -> dict[str, object]:
    """One group as JSON."""
    place = {
        "day": group.day.isoformat() if group.day else None,
        "sender": group.sender,
        "applicationId": group.application_id,
        "entityId": group.entity_id,
        "campaignReferenceId": group.campaign,
    }
    cost = [
        {"amount": float(amount), "currency": currency}
        for currency, amount in sorted(figures.cost.items())
    ]
    return {
        **{name: value for name, value in place.items() if value is not None},
        "accepted": figures.accepted,
        "pending": figures.pending,
        "statuses": figures.ended,
        "bySms": figures.by_sms,
        "cost": cost,
    }


def _selection(
    request: Request, caller: Caller, now: datetime, violations: list[Violation]
) -> Selection:
    asked = request.query_params
    until = _day("to", asked.get("to"), now.date(), violations)
    since = _day("from", asked.get("from"), until - timedelta(days=_USUAL_DAYS - 1), violations)
    if not since <= until <= since + timedelta(days=_MOST_DAYS):
        violations.append(Violation("from", f"must be a day at most {_MOST_DAYS} days before `to`"))
    names = ("sender", "applicationId", "entityId", "campaignReferenceId")
    sender, application_id, entity_id, campaign = (
        _text(name, asked.get(name), violations) for name in names
    )
    return Selection(
        since,
        until,
        sender,
        caller.application_id(application_id),
        caller.entity_id(entity_id),
        campaign,
    )


def _day(name: str, text: str | None, usual: date, violations: list[Violation]) -> date:
    if text is None:
        return usual
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if len(text) == 10 and 2000 <= day.year < 3000:
        return day
    violations.append(Violation(name, "must be a day like 2026-01-31"))
    return usual


def _groups(text: str | None, violations: list[Violation]) -> list[str]:
    names = [] if not text else text.split(",")
    if any(name not in BY for name in names):
        violations.append(Violation("groupBy", "must be a list of these: " + ", ".join(BY)))
    return names


def _text(name: str, text: str | None, violations: list[Violation]) -> str | None:
    if text is not None and (len(text) > _LONGEST or "\x00" in text):
        violations.append(Violation(name, f"must be at most {_LONGEST} characters, no NUL"))
    return text
