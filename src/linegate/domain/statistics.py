"""Counts and cost of messages, folded by what was asked for."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from linegate.domain.status import STATUSES

__all__ = ["ACCEPTED", "BY", "Counted", "Figures", "Group", "folded"]

ACCEPTED = 0
"""What stands for acceptance where counts have a status."""

BY = ("day", "sender", "application", "entity", "campaign")
"""What counts can be told apart by."""


class Group(NamedTuple):
    """One row's place; None: not told apart by it, or none was given."""

    day: date | None = None
    sender: str | None = None
    application_id: str | None = None
    entity_id: str | None = None
    campaign: str | None = None


class Counted(NamedTuple):
    """Messages of one group with one status; cost in one currency ('' with a cost of 0)."""

    group: Group
    status: int
    currency: str
    messages: int
    cost: Decimal
    by_sms: int = 0

    def plus(self, other: "Counted") -> "Counted":
        """Both together; they are of one group, status and currency."""
        return self._replace(
            messages=self.messages + other.messages,
            cost=self.cost + other.cost,
            by_sms=self.by_sms + other.by_sms,
        )


@dataclass(slots=True)
class Figures:
    """One group's messages: accepted, ended by status name, and cost by currency.

    by_sms: how many of them ended in their SMS leg.
    """

    accepted: int = 0
    by_sms: int = 0
    ended: dict[str, int] = field(default_factory=dict)
    cost: dict[str, Decimal] = field(default_factory=dict)

    @property
    def pending(self) -> int:
        """How many have not ended."""
        return self.accepted - sum(self.ended.values())


def folded(rows: Iterable[Counted]) -> dict[Group, Figures]:
    """The figures of each group, in the order in which groups come."""
    found: dict[Group, Figures] = {}
    for row in rows:
        figures = found.setdefault(row.group, Figures())
        if row.status == ACCEPTED:
            figures.accepted += row.messages
            continue
        known = STATUSES.get(row.status)
        name = known.name if known else str(row.status)
        if row.messages:
            figures.ended[name] = figures.ended.get(name, 0) + row.messages
        figures.by_sms += row.by_sms
        if row.currency and row.cost:
            figures.cost[row.currency] = figures.cost.get(row.currency, Decimal(0)) + row.cost
    return found
