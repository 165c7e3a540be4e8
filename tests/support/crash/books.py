"""Checks the books: what linegate has against what LINE, the phones and the client were given.

Nothing is excused by a kill but what docs/explanation/what-a-crash-can-lose.md says: a message may
go to LINE once more, and without LINE's event it may end as expired; a report may come again; an
answer to a fetch may be lost. Each check gives what is wrong, in words.
"""

from collections import Counter
from typing import NamedTuple

from linegate.domain.ids import public_id
from linegate.domain.status import STATUSES
from linegate.simulator.fates import fate_of
from support.crash.town import Town
from support.crash.visit import Visit

__all__ = ["Audit", "audit", "faults_of"]

_RESENDS = 1  # of a message whose outcome nobody knows: resend_unknown_limit
_IN_FLIGHT = 256  # messages that a dead worker may have had in hand
_DELIVERED = "DELIVERED_TO_HANDSET"
_TAKEN_BY_LINE = {"delivered", "twice", "slow", "rate_limited_once", "error_once"}
_ENDS = (
    "SELECT final.message_id, final.status, sms_end.line_status,"
    " EXISTS (SELECT 1 FROM late_event WHERE late_event.message_id = final.message_id) AS late"
    " FROM final LEFT JOIN sms_end USING (message_id) WHERE final.message_id = ANY($1)"
)
_BOOK = (
    "SELECT (SELECT count(*) FROM message) AS kept,"
    " (SELECT count(*) FROM queue) + (SELECT count(*) FROM sms_leg)"
    "  + (SELECT COALESCE(sum(remaining), 0) FROM track JOIN bulk_run USING (bulk_id)"
    "     WHERE status NOT IN ('importing', 'failed')) AS waiting,"
    " (SELECT COALESCE(sum(remaining), 0) FROM track JOIN bulk_run USING (bulk_id)"
    "  WHERE status IN ('importing', 'failed')) AS not_open,"
    " (SELECT count(*) FROM tally) AS uncounted"
)
_CANCELLED = 4100


class _End(NamedTuple):
    """How a message ended. line: how its LINE leg ended before an SMS went."""

    name: str
    line: str | None
    late: bool


class Audit(NamedTuple):
    """A town's book. accepted = the sum of `ends` + waiting, or there is a fault."""

    accepted: int
    ends: dict[str, int]
    waiting: int
    faults: list[str]


async def faults_of(visit: Visit, kills: int) -> list[str]:
    """What was promised to a visit and not kept; `kills` processes died during it."""
    rows = await visit.fetch(_ENDS, list(visit.sent))
    ends = {
        row["message_id"]: _End(_name(row["status"]), _name(row["line_status"]), row["late"])
        for row in rows
    }
    faults = []
    for id_, number in visit.sent.items():
        if id_ not in ends:
            faults.append(f"{public_id(id_)} to {number} was accepted and has not ended")
            continue
        faults += [
            f"{public_id(id_)} to {number}, {ends[id_].name}: {what}"
            for what in (
                *_wrong_at_line(visit, id_, kills),
                *_wrong_end(visit, id_, number, ends[id_], kills),
                *_wrong_reports(visit, id_, ends[id_]),
            )
        ]
    faults += _wrong_texts(visit)
    return [f"{visit.name}: {fault}" for fault in faults]


def _name(status: int | None) -> str:
    return STATUSES[status].name if status is not None else ""


def _wrong_at_line(visit: Visit, id_: int, kills: int) -> list[str]:
    out = visit.town.outside
    taken = {tag: count for tag, count in out.taken.items() if tag[0] == id_}
    wrong = [f"LINE took attempt {tag[1]} {n} times" for tag, n in taken.items() if n > 1]
    most = 1 + (_RESENDS if kills or _is_odd(visit.sent[id_]) else 0)
    if len(taken) > most:
        wrong.append(f"LINE took it {len(taken)} times")
    if id_ in visit.never_asked and any(tag[0] == id_ for tag in out.asked):
        wrong.append("LINE was asked")
    return wrong


def _is_odd(number: str) -> bool:
    """Whether LINE's own answers leave an outcome unknown."""
    return fate_of(number).answer >= 500 or fate_of(number).answer < 0


def _wrong_end(visit: Visit, id_: int, number: str, end: _End, kills: int) -> list[str]:
    heard = id_ in visit.town.outside.heard
    if heard and end.name != _DELIVERED and not end.late:
        return ["LINE's event was answered with 200"]
    if end.name == _DELIVERED or id_ in visit.cancelled:
        return []
    if not number.isdigit() or len(number) < 8:
        return [] if end.name.startswith("REJECTED") else ["no number, and not rejected"]
    if fate_of(number).name in _TAKEN_BY_LINE and not kills:
        return ["nothing was killed"]
    return []


def _wrong_reports(visit: Visit, id_: int, end: _End) -> list[str]:
    told = visit.town.outside.told.get(public_id(id_), [])
    names = set(told) - {"PENDING_ENROUTE"}
    wrong = []
    if end.name not in names:
        wrong.append(f"its end was never reported, only {told}")
    if strange := names - {end.name, end.line}:
        wrong.append(f"{sorted(strange)} was reported too")
    if visit.pulled[public_id(id_)] > 1:
        wrong.append(f"its report was handed out {visit.pulled[public_id(id_)]} times")
    return wrong


def _wrong_texts(visit: Visit) -> list[str]:
    """SMS that went too often: once, once more where nobody knows, and after `slow down`."""
    out, wrong = visit.town.outside, []
    for id_ in visit.texted:
        number = visit.sent[id_]
        times = out.submitted[number] - visit.submitted_before[number]
        if times > 1 + _RESENDS + (number[-3] == "4"):
            wrong.append(f"{public_id(id_)} to {number}: {times} SMS")
    return wrong


async def audit(town: Town, visits: list[Visit]) -> Audit:
    """The whole town's book, when everything of all visits has ended."""
    examiner = visits[0]
    await examiner.until_rows("SELECT 1 FROM tally HAVING count(*) = 0", within=60)
    (book,) = await examiner.fetch(_BOOK)
    rows = await examiner.fetch(
        "SELECT status, error, count(*) AS messages FROM final GROUP BY status, error"
    )
    sums = await examiner.fetch(
        "SELECT status, sum(messages)::bigint AS messages FROM statistic GROUP BY status"
    )
    ends: Counter[str] = Counter()
    for row in rows:
        group = STATUSES[row["status"]].group_name.lower()
        ends["cancelled" if row["error"] == _CANCELLED else group] += row["messages"]
    faults = []
    accepted = int(book["kept"] - book["not_open"])
    if accepted != sum(ends.values()) + book["waiting"]:
        faults.append(f"{accepted} accepted are not {dict(ends)} and {book['waiting']} waiting")
    counted = {row["status"]: int(row["messages"]) for row in sums}
    if not town.days_ahead:
        ended = sum(messages for status, messages in counted.items() if status)
        if ended < sum(ends.values()):
            faults.append(f"{ended} ends were counted of {sum(ends.values())}")
    faults += _strangers(town, visits)
    faults += [f"by accident: {what}" for what in town.accidents]
    return Audit(accepted, dict(ends), int(book["waiting"]), faults)


def _strangers(town: Town, visits: list[Visit]) -> list[str]:
    """What LINE and the client got that nobody was answered 200 for; how much went twice."""
    known = {id_ for visit in visits for id_ in (*visit.sent, *visit.erased)}
    out = town.outside
    faults = [f"LINE was asked for {public_id(i)}" for i in {t[0] for t in out.asked} - known]
    names = {public_id(id_) for id_ in known}
    faults += [f"{name} was reported and never accepted" for name in set(out.told) - names]
    times = Counter(tag[0] for tag in out.taken)
    again = sum(count - 1 for id_, count in times.items())
    if again > _IN_FLIGHT * max(town.kills, 1):
        faults.append(f"{again} messages went again after {town.kills} kills")
    return faults
