"""When to stop calling LINE for one sender, and when to ask again.

An outage should cost the resends of a few probes and not those of the whole queue: after
twenty answers in a row that say nothing about the message, nothing more of the sender is sent
but one probe at a time, and the first real answer opens the way again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from linegate.domain.outcome import OutcomeKind

__all__ = ["Circuit", "Hold", "month_end"]

_IN_A_ROW = 20
_FIRST_WAIT = timedelta(seconds=5)
_LONGEST_WAIT = timedelta(seconds=60)
_LINE_TIME = timedelta(hours=9)  # LINE counts months in UTC+9 (FACTS A1.8)

_SILENT = (OutcomeKind.UNKNOWN, OutcomeKind.UNSENT)
_REFUSING = (OutcomeKind.FORBIDDEN, OutcomeKind.MONTHLY_LIMIT)


class Hold(Enum):
    """Why nothing, or next to nothing, of a sender is sent."""

    PAUSED = "paused"  # by the operator
    UNAUTHORISED = "unauthorised"  # LINE takes no token of it
    UNREACHABLE = "unreachable"  # 20 time-outs, 5xx or failed connections in a row
    FORBIDDEN = "forbidden"  # 20 times "no access": not asked again until resumed
    MONTHLY_LIMIT = "monthly_limit"  # 20 times "limit reached": not asked again this month


_PROBED = (Hold.UNAUTHORISED, Hold.UNREACHABLE)
_REFUSED = (Hold.FORBIDDEN, Hold.MONTHLY_LIMIT)


@dataclass(frozen=True, slots=True)
class Circuit:
    """What a sender's last answers add up to.

    silent, refusals: answers of that kind in a row.
    hold:     why it is held, or None.
    probe_at: when one message may try; None with a hold: only somebody's resume ends it.
    """

    silent: int = 0
    refusals: int = 0
    hold: Hold | None = None
    probe_at: datetime | None = None
    wait: timedelta = _FIRST_WAIT

    def after(self, kind: OutcomeKind, now: datetime) -> "Circuit":
        """The circuit after one more answer.

        A pause ends by the operator's resume alone, whatever what was in flight still tells. A
        sender that is refused for good is not asked any more, so its "answers" repeat the refusal.
        """
        if self.hold is Hold.PAUSED or (self.hold in _REFUSED and kind in _REFUSING):
            return self
        if kind in _SILENT:
            return self._after_silence(now)
        if kind is OutcomeKind.UNAUTHORISED:
            return self._held(Hold.UNAUTHORISED, now)
        if kind in _REFUSING:
            return self._after_refusal(kind, now)
        return _CLOSED if self != _CLOSED else self

    def places(self, wanted: int, now: datetime) -> int:
        """How many messages of the sender may be claimed now, of `wanted`.

        A sender that LINE refuses for good still gives its messages: they end without a call.
        """
        if self.hold is None or self.hold in _REFUSED:
            return wanted
        if self.probe_at is not None and self.probe_at <= now:
            return min(wanted, 1)
        return 0

    def _after_silence(self, now: datetime) -> "Circuit":
        silent = self.silent + 1
        if self.hold in _REFUSED:
            return self  # in flight since before
        if self.hold in _PROBED:
            return self._held(self.hold, now, silent=silent)  # a probe without an answer
        if silent < _IN_A_ROW:
            return Circuit(silent=silent)
        return self._held(Hold.UNREACHABLE, now, silent=silent)

    def _after_refusal(self, kind: OutcomeKind, now: datetime) -> "Circuit":
        refusals = self.refusals + 1
        if refusals < _IN_A_ROW:
            return Circuit(refusals=refusals)
        if kind is OutcomeKind.FORBIDDEN:
            return Circuit(refusals=refusals, hold=Hold.FORBIDDEN)
        return Circuit(refusals=refusals, hold=Hold.MONTHLY_LIMIT, probe_at=month_end(now))

    def _held(self, hold: Hold, now: datetime, silent: int = 0) -> "Circuit":
        if self.hold is hold and self.probe_at is not None and now < self.probe_at:
            return self  # answers of what was in flight before: the wait is not made longer
        wait = min(self.wait * 2, _LONGEST_WAIT) if self.hold is hold else _FIRST_WAIT
        return Circuit(silent=silent, hold=hold, probe_at=now + wait, wait=wait)


_CLOSED = Circuit()


def month_end(now: datetime) -> datetime:
    """When the month ends in which `now` is, as LINE counts months (UTC+9)."""
    local = now + _LINE_TIME
    year, month = (local.year + 1, 1) if local.month == 12 else (local.year, local.month + 1)
    return (
        local.replace(year=year, month=month, day=1, hour=0, minute=0, second=0, microsecond=0)
        - _LINE_TIME
    )
