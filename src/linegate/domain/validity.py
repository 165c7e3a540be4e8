"""How long a message is worth sending."""

from datetime import timedelta
from typing import Literal

__all__ = ["LONGEST", "Unit", "validity_of"]

Unit = Literal["SECONDS", "MINUTES", "HOURS"]

LONGEST = timedelta(hours=48)
"""The default and the maximum. Source: published ValidityPeriod."""

_UNITS = {
    "SECONDS": timedelta(seconds=1),
    "MINUTES": timedelta(minutes=1),
    "HOURS": timedelta(hours=1),
}


def validity_of(amount: int, unit: Unit | None) -> timedelta:
    """The period asked for; longer than 48 h is cut to 48 h, as published. No unit: minutes."""
    step = _UNITS[unit or "MINUTES"]
    return LONGEST if amount >= LONGEST / step else amount * step
