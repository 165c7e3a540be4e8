"""What keys and users have in common on the command line: scopes, addresses, instants."""

import re
from datetime import datetime, timedelta
from typing import Annotated

import typer

from linegate.cli.console import CommandError
from linegate.domain.wiretime import parse_instant

__all__ = ["Addresses", "Scopes", "instant_of", "span_of"]

Scopes = Annotated[
    list[str] | None,
    typer.Option("--scope", help="What it may do; all of its account if not given."),
]
Addresses = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-address", help="An address or network it may be used from; any if not given."
    ),
]

_SPAN = re.compile(r"([0-9]{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def span_of(text: str, option: str) -> timedelta:
    """A span like `90d`, `12h`, `30m` or `0s`. Raises: CommandError for anything else."""
    match = _SPAN.fullmatch(text)
    if match is None:
        raise CommandError(f"{option} must be a span like 90d, 12h or 30m")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def instant_of(text: str, option: str, now: datetime) -> datetime:
    """An instant: a span from now, or a date and time with an offset."""
    if _SPAN.fullmatch(text):
        return now + span_of(text, option)
    instant = parse_instant(text)
    if instant is None:
        raise CommandError(
            f"{option} must be a span like 90d, or an instant like 2027-01-31T00:00:00Z"
        )
    return instant
